"""A closed-loop load: so many connections, each sending its next request when the last is answered.

Run as a process of its own (`python -m … PLAN`), so that it takes no time from what it measures. It stops by
itself after the seconds of the plan, and it speaks to this machine only.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter

import msgspec
import uvloop

from experiments.benchmarks.http_serving.answer_reading import AnswerReader, latencies_ms
from experiments.benchmarks.http_serving.wire import Columns, Wire, from_feature_server

HOST = "127.0.0.1"
NOT_ANSWERED = 0


class Step(msgspec.Struct, frozen=True):
    """Where a request goes, and its bodies in turn."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[bytes]


class Onward(msgspec.Struct, frozen=True):
    """A second request for each: to a model server, with the features that the first has brought."""

    step: Step
    columns: Columns
    wire: Wire


class Plan(msgspec.Struct, frozen=True):
    """What is sent for how long; figures are of the seconds after the warm-up."""

    step: Step
    connections: int
    warm_up: float
    seconds: float
    onward: Onward | None = None


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


class Connection(AnswerReader):
    """One kept connection: `ask` sends a request and waits for its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_lost(self, _error: Exception | None) -> None:
        """A request that was open is not answered."""
        self.answered(NOT_ANSWERED, b"")

    def answered(self, status: int, body: bytes) -> None:
        """Hand the answer to who waits for it."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer; status 0 when the connection broke."""
        if self.transport.is_closing():
            return NOT_ANSWERED, b""
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answered


@dataclass(frozen=True)
class Sent:
    """One answered request: when it was sent (seconds), how long it took, its status."""

    at: float
    took: float
    status: int


def encode_request(step: Step, body: bytes) -> bytes:
    """The bytes of one POST."""
    headers = {"host": HOST, "content-type": "application/json", **step.headers, "content-length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {step.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def run_load(plan: Plan) -> Load:
    """Send for `warm_up + seconds`, then wait for what is open."""
    started = perf_counter()
    end = started + plan.warm_up + plan.seconds
    places = count()
    told = await asyncio.gather(*(_send_until(plan, end, places) for _ in range(plan.connections)))
    measured = [sent for each in told for sent in each if sent.at >= started + plan.warm_up]
    return summarise(measured, plan.seconds)


def summarise(sent: list[Sent], seconds: float) -> Load:
    """Rate and latencies of the successes (0 where there are none), and how many answers had which status."""
    took = [one.took for one in sent if one.status == 200]
    return Load(len(took) / seconds, *latencies_ms(took), dict(Counter(one.status for one in sent)))


async def _send_until(plan: Plan, end: float, places: Iterator[int]) -> list[Sent]:
    ask = await _asker(plan)
    sent: list[Sent] = []
    while (at := perf_counter()) < end:
        status = await ask(next(places))
        sent.append(Sent(at, perf_counter() - at, status))
        if status == NOT_ANSWERED:
            ask = await _asker(plan)
    return sent


async def _asker(plan: Plan) -> Callable[[int], Awaitable[int]]:
    """What sends the request of a place in the sequence and returns its status."""
    connection = await _connect(plan.step.port)
    requests = [encode_request(plan.step, body) for body in plan.step.bodies]
    onward = plan.onward
    if onward is None:

        async def ask(place: int) -> int:
            return (await connection.ask(requests[place % len(requests)]))[0]

        return ask
    second = await _connect(onward.step.port)

    async def ask_both(place: int) -> int:
        status, body = await connection.ask(requests[place % len(requests)])
        if status != 200:
            return status
        given = from_feature_server(body, onward.columns, onward.wire)
        return (await second.ask(encode_request(onward.step, given)))[0]

    return ask_both


async def _connect(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(Connection, HOST, port))[1]


def main() -> None:
    """Read the plan, send, print the figures."""
    plan = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    print(msgspec.json.encode(uvloop.run(run_load(plan))).decode(), flush=True)


if __name__ == "__main__":
    main()
