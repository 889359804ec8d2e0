"""Admits what the event loop can answer soon and turns the rest away before anything was spent on it.

Under overload the queue stands in the loop: what came in one turn is decoded, scored and answered in the
next ones. As in CoDel (Nichols & Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012) and DAGOR (Zhou
et al., "Overload Control for Scaling WeChat Microservices", SoCC 2018) it is bounded in time, not in number:
by Little's law as many may be in the loop as it answers within a target. What one costs is measured while
some are refused, in CPU time of the loop. A limit steered by waiting times, as AIMD steers it, fell to
nothing on a machine whose cores are shared, since it took each pause of the machine for a queue.

Nobody is refused before `UNDISPUTED` are in the loop: callers who wait for their answers may be that many,
and a refusal would not help them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter, thread_time
from types import TracebackType
from typing import Final

from inference.admission.retry_after import overloaded

UNDISPUTED: Final = 64
# However slow each is: with fewer the loop would have nothing to batch.
LEAST: Final = 8
# Overload is over when nobody was refused for so long.
QUIET_SECONDS: Final = 1.0
# The weight of the newest batch in what a request costs.
NEWEST: Final = 0.2


class Admission:
    """Counts the requests under way in one event loop: `with admission:` around each. Not for other threads.

    `limit` is how many of them may be in the loop, which are those that wait for no store and no thread.
    """

    def __init__(self, target_seconds: float, most_under_way: int) -> None:
        """`target_seconds`: the loop's work that may wait; `most_under_way`: whatever requests wait for."""
        self._target, self._most = target_seconds, most_under_way
        self.limit = float(UNDISPUTED)
        self.under_way = self._apart = 0
        self._refuses, self._refused_at = False, -inf
        self._measured_at: float | None = None
        self._seconds: float | None = None

    def enter(self) -> None:
        """Let a request in; `leave` must follow.

        Raises:
            OverloadedError: there are too many.
        """
        if self.under_way - self._apart >= self.limit or self.under_way >= self._most:
            self._reconsider()
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

    def begun(self, began: float, requests: int) -> None:
        """A batch of so many requests began; what the loop did since the last one was its cost."""
        if not self._refuses:
            return
        if began - self._refused_at > QUIET_SECONDS:
            self._relax()
            return
        before, self._measured_at = self._measured_at, thread_time()
        if before is not None:
            self._learn((self._measured_at - before) / requests)

    def _learn(self, seconds: float) -> None:
        known = self._seconds
        self._seconds = seconds if known is None else known + NEWEST * (seconds - known)
        self.limit = min(max(self._target / max(self._seconds, 1e-6), LEAST), self._most)

    def _relax(self) -> None:
        self.limit = max(self.limit, float(UNDISPUTED))
        self._refuses, self._measured_at, self._seconds = False, None, None

    def _reconsider(self) -> None:
        """Refuse, unless overload is long over.

        Raises:
            OverloadedError: it is not.
        """
        now = perf_counter()
        if now - self._refused_at > QUIET_SECONDS:
            self._relax()
        if self.under_way - self._apart >= self.limit or self.under_way >= self._most:
            self._refuses, self._refused_at = True, now
            raise overloaded()
