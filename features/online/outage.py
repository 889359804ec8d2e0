"""An online store that is away: noticed once, tried again by one look-up at a time."""

import logging
from threading import Lock
from time import monotonic

from features.errors import OnlineStoreError

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class StoreOutage:
    """Keeps look-ups from a store that failed, so that an outage does not add a timeout to every request.

    Only how often to try follows the clock, never what a request may see. Any thread may call.
    """

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._lock = Lock()
        self._retry_at = 0.0
        self._began_at = 0.0
        self.trouble: str | None = None

    def allows(self) -> bool:
        """Whether to try the store now; while it is away, one caller every `retry_seconds` is told so."""
        if self.trouble is None:
            return True
        with self._lock:
            now = monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._retry_seconds
            return True

    def began_since(self, moment: float) -> bool:
        """Whether the store has failed since `monotonic()` was `moment`."""
        return self.trouble is not None and self._began_at > moment

    def begin(self, error: OnlineStoreError) -> None:
        """The store has just failed."""
        with self._lock:
            self._began_at = monotonic()
            self._retry_at = self._began_at + self._retry_seconds
            known, self.trouble = self.trouble, str(error)
        if known is None:
            logger.warning("Features are answered with their defaults: %s", error)

    def end(self) -> None:
        """The store has just answered."""
        if self.trouble is not None:
            self.trouble = None
            logger.warning("The online store answers again")
