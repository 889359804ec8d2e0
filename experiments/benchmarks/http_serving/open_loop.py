"""Sends each request when it is due, over whichever connection is free, in one plain loop."""

from collections import Counter, deque
from collections.abc import Sequence
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
    successes' seconds from when they were due, `late` how long after that each request was sent.
    """

    def __init__(
        self, port: int, requests: Sequence[bytes], expected: Sequence[bytes], connections: int
    ) -> None:
        self._port, self._requests, self._expected = port, requests, expected
        self._selector = DefaultSelector()
        self._free = deque(KeptConnection(port, self._selector) for _ in range(connections))
        self._waiting: deque[tuple[int, float]] = deque()
        self._open: dict[KeptConnection, tuple[int, float]] = {}
        self.took: list[float] = []
        self.late: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.wrong = self.unsaid = self.missed = 0

    def run(self, arrivals: Sequence[float]) -> None:
        """Send what falls due so many seconds from now, then wait for what is open.

        Raises:
            TimeoutError: it was not answered in time.
        """
        began = perf_counter()
        for place, after in enumerate(arrivals):
            due = began + after
            while (left := due - perf_counter()) > 0:
                self._take_answers(left)
            if left < -MISSED_SECONDS:
                self.missed += 1
            else:
                self._fall_due(place % len(self._requests), due)
        self._wait_for_open()

    def _wait_for_open(self) -> None:
        patient = perf_counter() + PATIENCE_SECONDS
        while self._open:
            if perf_counter() > patient:
                raise TimeoutError(
                    f"{len(self._open)} requests were not answered in {PATIENCE_SECONDS:.0f} s"
                )
            self._take_answers(PATIENCE_SECONDS)

    def _take_answers(self, seconds: float) -> None:
        """Take what answers there are, waiting for the first so long at most."""
        ready = self._selector.select(0)
        if not ready:
            select([self._selector], [], [], seconds)  # a selector's own wait has milliseconds only
            ready = self._selector.select(0)
        for key, events in ready:
            status = key.data.proceed(events)
            if status is not None:
                self._answered(key.data, status)

    def _fall_due(self, place: int, due: float) -> None:
        if self._free:
            self._send(self._free.popleft(), place, due)
        else:
            self._waiting.append((place, due))

    def _send(self, connection: KeptConnection, place: int, due: float) -> None:
        self._open[connection] = place, due
        self.late.append(perf_counter() - due)
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
        place, due = self._open.pop(connection)
        self.statuses[status] += 1
        if status == 200:
            self.took.append(now - due)
            self.wrong += self._expected[place] not in connection.answer.body
        elif status in REFUSED:
            self.unsaid += RETRY_AFTER not in connection.answer.head
