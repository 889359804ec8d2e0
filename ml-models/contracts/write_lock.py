"""The lock files that order the writers of a registered model's journals."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from contracts.settings import RegistrySettings

LOCK_TIMEOUT = 60.0


@contextmanager
def write_lock(settings: RegistrySettings, journal: str, name: str, busy: type[Exception]) -> Iterator[None]:
    """Keep other writers of a journal of model `name` out.

    Raises:
        Exception: `busy`, when one of them has held the lock for `LOCK_TIMEOUT` seconds.
    """
    settings.locks.mkdir(parents=True, exist_ok=True)
    path = settings.locks / f"{journal}-{name}.lock"
    try:
        with FileLock(path, timeout=LOCK_TIMEOUT):
            yield
    except Timeout as error:
        raise busy(f"another process holds {path}; wait for it, or look who has it open") from error
