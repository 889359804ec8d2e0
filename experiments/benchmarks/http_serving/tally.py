"""What a load took down of each answer, and the figures that come of it."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np


class Load(msgspec.Struct, frozen=True):
    """What came of it: answers a second, latencies in milliseconds, and answers by status."""

    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]

    @property
    def refused(self) -> int:
        """How many answers were no success."""
        return sum(number for status, number in self.statuses.items() if status != 200)


class Tally:
    """Counts the answers to what was sent since a moment (`perf_counter()`); keeps what successes took."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._first: float | None = None
        self._took: list[float] = []
        self._statuses: Counter[int] = Counter()

    def add(self, sent: float, answered: float, status: int) -> None:
        """One answer."""
        if sent < self._since:
            return
        if self._first is None:
            self._first = answered
        self._statuses[status] += 1
        if status == 200:
            self._took.append(answered - sent)

    @property
    def has_begun(self) -> bool:
        """Whether something has counted: on a busy machine even the first answer may take too long."""
        return self._first is not None

    def summarise(self, seconds: float) -> Load:
        """Rate and latencies of the successes (0 where there are none), and the answers by status.

        Where the first took longer than the `seconds`, the rate is of that time.
        """
        if self._first is not None:
            seconds = max(seconds, self._first - self._since)
        return Load(len(self._took) / seconds, *latencies_ms(self._took), dict(self._statuses))


def latencies_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile in milliseconds; 0 where nothing was answered."""
    if not seconds:
        return 0.0, 0.0
    p50, p99 = np.percentile(np.array(seconds) * 1_000, (50, 99))
    return float(p50), float(p99)
