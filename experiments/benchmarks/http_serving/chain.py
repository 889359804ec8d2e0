"""Requests of two steps: the first server's answer becomes the second one's request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import cycle
from time import perf_counter
from typing import cast

from experiments.benchmarks.http_serving.answer_reading import AnswerReader
from experiments.benchmarks.http_serving.kept_connection import HOST, NOT_ANSWERED
from experiments.benchmarks.http_serving.tally import Tally

Ask = Callable[[bytes], Awaitable[int]]


class Connection(asyncio.Protocol):
    """One kept connection: `ask` sends a request and waits for its answer."""

    def __init__(self) -> None:
        self._answer = AnswerReader()
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand a whole answer to who waits for it."""
        if self._answer.feed(data):
            self._hand_over(self._answer.status, self._answer.body)

    def connection_lost(self, _error: Exception | None) -> None:
        """A request that was open is not answered."""
        self._hand_over(NOT_ANSWERED, b"")

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer; status 0 when the connection broke."""
        assert self._transport is not None
        if self._transport.is_closing():
            return NOT_ANSWERED, b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def _hand_over(self, status: int, body: bytes) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((status, body))


class Chain:
    """Sends the requests in turn to the first port, and what `then` makes of an answer to the second.

    Until `end` (`perf_counter()`), and one counts.
    """

    def __init__(
        self, ports: tuple[int, int], requests: Sequence[bytes], then: Callable[[bytes], bytes], end: float
    ) -> None:
        self._ports, self._then, self._end = ports, then, end
        self._requests: Iterator[bytes] = cycle(requests)

    async def run(self, connections: int, tally: Tally) -> None:
        """Send over so many pairs of connections until the end, then wait for what is open."""
        await asyncio.gather(*(self._send_until(tally) for _ in range(connections)))

    async def _send_until(self, tally: Tally) -> None:
        ask = await self._connect()
        while (at := perf_counter()) < self._end or not tally.has_begun:
            status = await ask(next(self._requests))
            tally.add(at, perf_counter(), status)
            if status == NOT_ANSWERED:
                ask = await self._connect()

    async def _connect(self) -> Ask:
        """What sends a request on and returns the status that its sender gets."""
        loop = asyncio.get_running_loop()
        first, second = [(await loop.create_connection(Connection, HOST, port))[1] for port in self._ports]

        async def ask(request: bytes) -> int:
            status, body = await first.ask(request)
            if status != 200:
                return status
            return (await second.ask(self._then(body)))[0]

        return ask
