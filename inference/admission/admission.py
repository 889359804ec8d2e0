"""Admits what the event loop can answer soon and turns the rest away before anything was spent on it.

Under overload the queue stands in the loop: what came in one turn is decoded, scored and answered in the
next ones. So the wait from a request's arrival to the beginning of its batch is how congested the loop is,
whatever the stores do meanwhile; it is held near a target, as CoDel holds a packet's (Nichols & Jacobson,
"Controlling Queue Delay", ACM Queue 10(5), 2012) and DAGOR a request's (Zhou et al., "Overload Control for
Scaling WeChat Microservices", SoCC 2018). What is steered is how many may be in the loop at once: it grows by
one and shrinks by a factor (AIMD, Chiu & Jain 1989; as `AIMDLimit` in Netflix's concurrency-limits), and only
while somebody is turned away: callers who wait for their answers also make a long wait, and a refusal would
not help them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter
from types import TracebackType
from typing import Final

from inference.admission.retry_after import overloaded

# So many are let in before any is refused; callers who wait for each answer are rarely more.
UNDISPUTED: Final = 64
# However slow: fewer at once would leave the loop nothing to batch.
LEAST: Final = 4
# The sharpest cut, so that one stall of the machine does not empty the service.
SHARPEST: Final = 0.5
# Overload is over when nobody was refused for so long.
QUIET_SECONDS: Final = 1.0


class Admission:
    """Counts the requests under way in one event loop: `with admission:` around each. Not for other threads.

    `limit` is how many of them may be in the loop, which are those that wait for no store and no thread.
    """

    def __init__(self, target_seconds: float, most_under_way: int) -> None:
        """`target_seconds`: how long the loop may keep a request waiting; `most_under_way`: bounds memory."""
        self._target, self._most = target_seconds, most_under_way
        self.limit = float(UNDISPUTED)
        self.under_way = self._apart = 0
        self._refuses = False
        self._refused_at = self._changed_at = -inf

    def enter(self) -> None:
        """Let a request in; `leave` must follow.

        Raises:
            OverloadedError: there are too many.
        """
        if self.under_way - self._apart >= self.limit or self.under_way >= self._most:
            self._reconsider(perf_counter())
        self.under_way += 1

    def leave(self) -> None:
        """A request was answered, or is gone."""
        self.under_way -= 1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.leave()

    @contextmanager
    def apart(self, requests: int) -> Iterator[None]:
        """So many requests wait for something else than the loop meanwhile."""
        self._apart += requests
        try:
            yield
        finally:
            self._apart -= requests

    def begun(self, began: float, arrived: float, requests: int) -> None:
        """A batch of so many requests began, the first of which had arrived then (`perf_counter()`)."""
        if not self._refuses or arrived < self._changed_at:
            return
        self._refuses, waited = False, began - arrived
        if waited > self._target:
            self.limit = max(LEAST, self.limit * max(self._target / waited, SHARPEST))
            self._changed_at = began
        else:
            self.limit = min(self.limit + requests / self.limit, self._most)

    def _reconsider(self, now: float) -> None:
        """Refuse, unless overload is long over.

        Raises:
            OverloadedError: it is not.
        """
        if now - self._refused_at > QUIET_SECONDS:
            self.limit = max(self.limit, float(UNDISPUTED))
        self._refuses, self._refused_at = True, now
        if self.under_way - self._apart >= self.limit or self.under_way >= self._most:
            raise overloaded()
