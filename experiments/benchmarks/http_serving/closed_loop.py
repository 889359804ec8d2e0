"""Connections that each send their next request as soon as the last is answered, in one plain loop.

With a coroutine, a future and a parser for each request the servers would wait for who asks them.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from selectors import DefaultSelector
from time import perf_counter

from experiments.benchmarks.http_serving.kept_connection import NOT_ANSWERED, KeptConnection
from experiments.benchmarks.http_serving.tally import Tally


class ClosedLoop:
    """Sends the requests in turn over so many connections until `end` (`perf_counter()`), and one counts."""

    def __init__(self, port: int, requests: Sequence[bytes], end: float, tally: Tally) -> None:
        self._port, self._end, self._tally = port, end, tally
        self._requests: Iterator[bytes] = cycle(requests)
        self._selector = DefaultSelector()
        self._sent: dict[KeptConnection, float] = {}

    def run(self, connections: int) -> None:
        """Send until the end, then wait for what is open. A connection that broke is replaced."""
        opened = [KeptConnection(self._port, self._selector) for _ in range(connections)]
        for connection in opened:
            self._send(connection)
        while self._sent:
            for key, events in self._selector.select():
                status = key.data.proceed(events)
                if status is not None:
                    self._answered(key.data, status)

    def _send(self, connection: KeptConnection) -> None:
        request = next(self._requests)
        self._sent[connection] = perf_counter()
        connection.send(request)

    def _answered(self, connection: KeptConnection, status: int) -> None:
        now = perf_counter()
        self._tally.add(self._sent[connection], now, status)
        if now >= self._end and self._tally.has_begun:
            connection.close()
            del self._sent[connection]
        elif status == NOT_ANSWERED:
            connection.close()
            del self._sent[connection]
            self._send(KeptConnection(self._port, self._selector))
        else:
            self._send(connection)
