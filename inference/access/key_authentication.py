"""The API keys that hold just now: read again in the background when their file changes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from math import inf
from pathlib import Path
from threading import Event, Thread
from time import time
from typing import Final

from inference.access.api_keys import PREFIX, ApiKey, hash_secret, split_token
from inference.access.caller import Caller, Grant
from inference.access.errors import KeyFileError, UnauthenticatedError
from inference.access.key_file import read_keys
from inference.access.rate_limit import Rate, RateLimit

WATCH_SECONDS: Final = 0.5
NOBODY: Final = bytes(32)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldKeys:
    """One reading of the file. `grants`: the tokens verified since, by their SHA-256; one a key at most."""

    keys: Mapping[str, ApiKey]
    limits: Mapping[str, RateLimit]
    grants: dict[bytes, Grant] = field(default_factory=dict)


class KeyAuthentication:
    """Verifies API keys. A file that breaks leaves the keys as they were, and `trouble` says so.

    A new reading replaces the old with all that was verified under it, so that a key that was revoked is
    refused within `WATCH_SECONDS`.
    """

    def __init__(self, path: Path, default: Rate | None) -> None:
        """Read the file. Raises `KeyFileError` when it cannot be read: nobody could be let in."""
        self._path, self._default = path, default
        self._stop = Event()
        self._seen = self._stamp()
        self._held = self._read({})
        self.trouble: str | None = None
        self._thread = Thread(target=self._watch, name="api-key-watch", daemon=True)
        self._thread.start()

    @property
    def grants(self) -> Mapping[bytes, Grant]:
        """The tokens that were verified before, by their SHA-256."""
        return self._held.grants

    def recognises(self, token: bytes) -> bool:
        """Whether this looks like an API key."""
        return token.startswith(PREFIX)

    def verify(self, token: bytes, digest: bytes) -> Grant:
        """Check a token whose SHA-256 is `digest`, taking as long for ids that nobody has.

        Raises:
            UnauthenticatedError: unknown, wrong, revoked or expired.
        """
        held = self._held
        name, secret = split_token(token)
        key = held.keys.get(name)
        kept = bytes.fromhex(key.sha256) if key else NOBODY
        right = compare_digest(hash_secret(secret), kept)
        if key is None or not right:
            raise UnauthenticatedError("this API key is unknown, or was revoked; ask for another")
        expires_at = key.expires_at.timestamp() if key.expires_at else inf
        if expires_at <= time():
            raise UnauthenticatedError(f"API key {key.id!r} has expired; ask for another")
        grant = Grant(Caller(f"key:{key.id}", key.scopes), expires_at, held.limits.get(key.id))
        held.grants[digest] = grant
        return grant

    def close(self) -> None:
        """Stop watching the file."""
        self._stop.set()
        self._thread.join()

    def _read(self, limits: Mapping[str, RateLimit]) -> HeldKeys:
        keys = {key.id: key for key in read_keys(self._path)}
        rates = {name: key.rate or self._default for name, key in keys.items()}
        return HeldKeys(
            keys, {name: _kept(limits.get(name), rate) for name, rate in rates.items() if rate is not None}
        )

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._look()
            except Exception as error:  # watching goes on, whatever the file does
                self._failed(f"{type(error).__name__}: {error}")

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen or self.trouble is not None:  # what could not be read then may be read now
            self._seen = stamp
            self.reload()

    def reload(self) -> None:
        """Read the file again; one that cannot be read leaves the keys as they were."""
        try:
            self._held = self._read(self._held.limits)
        except KeyFileError as error:
            self._failed(str(error))
        else:
            self.trouble = None
            logger.info("%s API keys hold", len(self._held.keys))

    def _failed(self, reason: str) -> None:
        trouble = f"the API keys stay as they were: {reason}"
        if trouble != self.trouble:
            logger.warning("%s", trouble)
        self.trouble = trouble

    def _stamp(self) -> tuple[int, ...]:
        """What changes whenever the file does; empty while there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino


def _kept(limit: RateLimit | None, rate: Rate) -> RateLimit:
    """The bucket as it was, unless the key's rate has changed."""
    return limit if limit is not None and limit.rate == rate else RateLimit(rate)
