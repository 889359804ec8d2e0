"""Admits what the event loop can answer soon and turns the rest away before anything was spent on it.

Under overload the queue stands in the loop: what came in one turn is decoded, scored and answered in the
next ones. As in CoDel (Nichols & Jacobson, ACM Queue 10(5), 2012) and DAGOR (Zhou et al., "Overload Control
for Scaling WeChat Microservices", SoCC 2018) it is bounded in time, not in number: a turn may take a few
times as long as one for a single request does, which is what callers know from calm hours. How many may be
in the loop for that grows by one and shrinks by a factor (AIMD, Chiu & Jain 1989; as `AIMDLimit` in
Netflix's concurrency-limits). A turn is measured in the loop's CPU time: in time of the clock, each pause
that a shared machine makes would be taken for a queue, and the limit fall to nothing. What refusals took is
no part of it either: they come however few are let in.

Nobody is refused before `UNDISPUTED` are in the loop: callers who wait for their answers may be that many,
and a refusal would not help them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter, thread_time
from types import TracebackType
from typing import Final

from inference.prediction.retry_after import overloaded

UNDISPUTED: Final = 64
# However slow each is: with fewer the loop would have nothing to batch.
LEAST: Final = 4
# How long a turn may take, in turns for a single request.
TURNS: Final = 2.0
# The sharpest cut at once.
SHARPEST: Final = 0.5
# Overload is over when nobody was refused for so long.
QUIET_SECONDS: Final = 1.0
# The weight of the newest turn in how long one for a single request takes.
NEWEST: Final = 0.05


class Admission:
    """Counts the requests under way in one event loop: `with admission:` around each. Not for other threads.

    `limit` is how many of them may be in the loop, which are those that wait for no store and no thread.
    """

    def __init__(self, target_seconds: float, most_under_way: int) -> None:
        """`target_seconds`: a turn that is never too long; `most_under_way`: whatever requests wait for."""
        self._target, self._most = target_seconds, most_under_way
        self.limit = float(UNDISPUTED)
        self.under_way = self._outside = 0
        self._refuses, self._refused_at = False, -inf
        self._turned_at: float | None = None
        self._single, self._alone = 0.0, False
        self._last_refusal: float | None = None
        self._refusing = 0.0

    @property
    def is_full(self) -> bool:
        """Whether there is no room; `refuses` has the last word, since overload may be over."""
        return self.under_way - self._outside >= self.limit or self.under_way >= self._most

    def enter(self) -> None:
        """Let a request in; `leave` must follow.

        Raises:
            OverloadedError: there are too many.
        """
        if self.is_full and self.refuses():
            raise overloaded()
        self._last_refusal = None
        self.under_way += 1

    def refuses(self) -> bool:
        """Whether a request is refused just now, which is taken for done: nobody has to `leave` for it."""
        now = perf_counter()
        if now - self._refused_at > QUIET_SECONDS:
            self.limit = float(UNDISPUTED)
        if not self.is_full:
            return False
        self._refuses, self._refused_at = True, now
        self._note_refusal()
        return True

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
    def outside_turns(self, requests: int) -> Iterator[None]:
        """So many requests wait for something else than the loop meanwhile."""
        self._outside += requests
        try:
            yield
        finally:
            self._outside -= requests

    def start_batch(self, requests: int) -> None:
        """A batch of so many requests began, and with it the next turn of the loop."""
        was_alone, self._alone = self._alone, self.under_way == 1
        refusing, self._refusing, self._last_refusal = self._refusing, 0.0, None
        if not (self._alone or self._refuses):  # nothing to learn, nothing to steer
            self._turned_at = None
            return
        before, self._turned_at = self._turned_at, thread_time()
        if before is None:
            return
        seconds = self._turned_at - before - refusing
        if was_alone and self._alone:
            self._single += (NEWEST if self._single else 1.0) * (seconds - self._single)
        if self._refuses:
            self._refuses = False
            self._steer(seconds, requests)

    def _steer(self, seconds: float, requests: int) -> None:
        longest = max(self._target, TURNS * self._single)
        if seconds > longest:
            self.limit = max(LEAST, self.limit * max(longest / seconds, SHARPEST))
        else:
            self.limit = min(self._most, self.limit + requests / self.limit)

    def _note_refusal(self) -> None:
        """Add up what lies between refusals that follow each other: all of one, from its first byte on."""
        before, self._last_refusal = self._last_refusal, thread_time()
        if before is not None:
            self._refusing += self._last_refusal - before
