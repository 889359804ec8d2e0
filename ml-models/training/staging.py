"""A run's folder for what it has not delivered yet, and the lock that tells whether its process lives."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from filelock import FileLock, Timeout

from contracts.settings import RegistrySettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Set on a run and on those below it as they are created, so that no moment is left to die in between.
STAGING_TAG: Final = "staging"

logger = logging.getLogger(__name__)


@contextmanager
def staging_folder(settings: RegistrySettings, name: str) -> Iterator[Path]:
    """A folder for one run of model `name`, deleted at its end; its name is the run's `STAGING_TAG`.

    It is locked while this process lives, which the operating system sees to however the process ends.
    """
    folder = settings.staging / f"{name}-{uuid4().hex}"
    lock = _lock(settings, folder)
    with lock:
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            _clear(folder, lock)


def end_abandoned_runs(
    settings: RegistrySettings, client: "MlflowClient", experiment_id: str, name: str
) -> None:
    """End what killed processes of this `var` left of model `name`: open runs as KILLED, staging folders.

    Runs of other machines have no folder here, and those of living processes are locked: both go on.
    """
    for folder in sorted(settings.staging.glob(f"{name}-*")):
        lock = _lock(settings, folder)
        try:
            with lock.acquire(timeout=0):
                _end_runs(client, experiment_id, folder.name)
                _clear(folder, lock)
        except Timeout:
            continue


def _end_runs(client: "MlflowClient", experiment_id: str, claim: str) -> None:
    left = f"attributes.status = 'RUNNING' AND tags.{STAGING_TAG} = '{claim}'"
    for run in client.search_runs([experiment_id], left):
        logger.warning("Run %s was left open by a process that is gone: it is KILLED now", run.info.run_id)
        client.set_terminated(run.info.run_id, status="KILLED")


def _lock(settings: RegistrySettings, folder: Path) -> FileLock:
    settings.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.locks / f"staging-{folder.name}.lock")


def _clear(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(lock.lock_file).unlink(missing_ok=True)
