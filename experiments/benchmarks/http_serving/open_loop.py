"""Sends each request when it is due, over whichever connection is free, in one plain loop."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from math import inf
from select import select
from selectors import DefaultSelector
from time import perf_counter
from typing import Final

from experiments.benchmarks.http_serving.kept_connection import NOT_ANSWERED, KeptConnection

RETRY_AFTER: Final = b"\r\nretry-after:"
REFUSED: Final = frozenset({429, 503})
PATIENCE_SECONDS: Final = 30.0
# To send later what a pause of this machine kept back would be another load than the one that is asked for.
MISSED_SECONDS: Final = 0.01


class OpenLoop:
    """Gives each request that falls due to a free connection, or to the next that becomes free.

    `expected`: what the answer to each request holds when it is a success. Afterwards `took` has the
    successes' seconds from when they were due, and `late` how many of these went by before they were sent;
    `early` has those of what was due in the warm-up, which counts nowhere else.
    """

    def __init__(
        self, port: int, requests: Sequence[bytes], expected: Sequence[bytes], connections: int
    ) -> None:
        self._port, self._requests, self._expected = port, requests, expected
        self._selector = DefaultSelector()
        self._free = deque(KeptConnection(port, self._selector) for _ in range(connections))
        self._waiting: deque[tuple[int, float]] = deque()
        self._open: dict[KeptConnection, tuple[int, float, float]] = {}
        self._since, self._next = 0.0, inf
        self._arrivals: Iterator[float] = iter(())
        self._places = cycle(range(len(requests)))
        self.took: list[float] = []
        self.early: list[float] = []
        self.late: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.asked = self.wrong = self.unsaid = self.missed = 0

    def run(self, arrivals: Sequence[float], warm_up: float) -> None:
        """Send what falls due so many seconds from now, then wait for what is open; count after the warm-up.

        Raises:
            TimeoutError: it was not answered in time.
        """
        began = perf_counter()
        self._since = began + warm_up
        self._arrivals = (began + after for after in arrivals)
        self._next = next(self._arrivals, inf)
        while self._next < inf:
            self._send_due()
            self._take_answers(self._next - perf_counter())
        patient = perf_counter() + PATIENCE_SECONDS
        while self._open:
            if perf_counter() > patient:
                raise TimeoutError(
                    f"{len(self._open)} requests were not answered in {PATIENCE_SECONDS:.0f} s"
                )
            self._take_answers(PATIENCE_SECONDS)
        for connection in self._free:
            connection.close()
        self._selector.close()

    def _send_due(self) -> None:
        while (late := perf_counter() - self._next) >= 0:
            if late > MISSED_SECONDS:
                self.missed += self._next >= self._since
            else:
                self._fall_due(next(self._places), self._next)
            self._next = next(self._arrivals, inf)

    def _take_answers(self, seconds: float) -> None:
        """Take what answers there are, waiting for the first so long at most; send what is due meanwhile."""
        if seconds > 0:  # a selector's own wait has milliseconds only
            select([self._selector], [], [], min(seconds, PATIENCE_SECONDS))
        for key, events in self._selector.select(0):
            status = key.data.proceed(events)
            if status is not None:
                self._answered(key.data, status)
            if perf_counter() >= self._next:
                self._send_due()

    def _fall_due(self, place: int, due: float) -> None:
        self.asked += due >= self._since
        if self._free:
            self._send(self._free.popleft(), place, due)
        else:
            self._waiting.append((place, due))

    def _send(self, connection: KeptConnection, place: int, due: float) -> None:
        self._open[connection] = place, due, perf_counter()
        connection.send(self._requests[place])

    def _answered(self, connection: KeptConnection, status: int) -> None:
        now = perf_counter()
        if connection in self._open:
            self._count(connection, status, now)
        else:  # the server has closed what was not used for long
            self._free.remove(connection)
        if status == NOT_ANSWERED:
            connection.close()
            connection = KeptConnection(self._port, self._selector)
        if self._waiting:
            self._send(connection, *self._waiting.popleft())
        else:
            self._free.append(connection)

    def _count(self, connection: KeptConnection, status: int, now: float) -> None:
        place, due, sent = self._open.pop(connection)
        if due < self._since:
            if status == 200:
                self.early.append(now - due)
            return
        self.statuses[status] += 1
        if status == 200:
            self.took.append(now - due)
            self.late.append(sent - due)
            self.wrong += self._expected[place] not in connection.answer.body
        elif status in REFUSED:
            self.unsaid += RETRY_AFTER not in connection.answer.head
