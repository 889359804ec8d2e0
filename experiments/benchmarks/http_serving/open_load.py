"""An open-loop load: requests fall due at a rate, whether or not the earlier ones were answered.

What is due while every connection waits for an answer waits for a connection, and its latency counts from
the moment it was due: a slow service cannot hide behind callers that it holds up (coordinated omission;
G. Tene, "How NOT to Measure Latency", 2015). Run as a process of its own (`python -m … PLAN`), so that it
takes no time from what it measures. It stops by itself, and it speaks to this machine only.
"""

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import msgspec
import uvloop

from experiments.benchmarks.http_serving.answer_reading import AnswerReader, latencies_ms
from experiments.benchmarks.http_serving.load import HOST, NOT_ANSWERED, Step, encode_request

RETRY_AFTER: Final = b"retry-after"
REFUSED: Final = frozenset({429, 503})
PATIENCE_SECONDS: Final = 30.0
# To send later what a pause of this machine kept back would be another load than the one that is asked for.
MISSED_SECONDS: Final = 0.01


class OpenPlan(msgspec.Struct, frozen=True):
    """Requests a second, for so many seconds, over so many connections.

    `expected`: what the answer to each of the step's bodies holds when it is a success. Arrivals are a
    Poisson process drawn from `seed`.
    """

    step: Step
    expected: list[bytes]
    rate: float
    seconds: float
    connections: int
    seed: int = 2013


class OpenLoad(msgspec.Struct, frozen=True):
    """What came of it: successes a second and their latencies in milliseconds, and answers by status.

    `wrong`: successes that did not hold what was expected. `unsaid`: refusals that did not say when to ask
    again. `missed`: what was not sent, since this process itself was kept from its work when it was due.
    """

    asked: int
    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]
    wrong: int
    unsaid: int
    missed: int


class Due(msgspec.Struct):
    """One request: which body, when it was due, when and how it was answered (`perf_counter()`)."""

    place: int
    at: float
    answered: float = 0.0
    status: int = NOT_ANSWERED


class OpenConnection(AnswerReader):
    """One kept connection, which tells its load of each answer."""

    def __init__(self, load: "RunningLoad") -> None:
        super().__init__()
        self._load, self._due, self._told = load, Due(0, 0.0), False

    def send(self, due: Due, request: bytes) -> None:
        """Send a request; there must be none open."""
        self._due, self._told = due, False
        self.transport.write(request)

    def on_header(self, name: bytes, _value: bytes) -> None:
        """A header of the answer."""
        if name.lower() == RETRY_AFTER:
            self._told = True

    def answered(self, status: int, body: bytes) -> None:
        """Tell when and how what was due was answered."""
        self._due.answered, self._due.status = perf_counter(), status
        self._load.answered(self, self._due, body, self._told)


class RunningLoad:
    """Gives each request that falls due to a free connection, or to the next that becomes free."""

    def __init__(self, plan: OpenPlan) -> None:
        self._plan = plan
        self._requests = [encode_request(plan.step, body) for body in plan.step.bodies]
        self._free: list[OpenConnection] = []
        self._waiting: deque[Due] = deque()
        self._all: list[Due] = []
        self._open, self._over = 0, asyncio.Event()
        self._wrong = self._unsaid = self._missed = 0

    async def run(self) -> OpenLoad:
        """Send what falls due, then wait for what is open."""
        loop = asyncio.get_running_loop()
        for _ in range(self._plan.connections):
            opened = await loop.create_connection(lambda: OpenConnection(self), HOST, self._plan.step.port)
            self._free.append(opened[1])
        began = perf_counter()
        for place, after in enumerate(arrivals(self._plan)):
            while (left := began + after - perf_counter()) > 0:
                await asyncio.sleep(left)
            if left < -MISSED_SECONDS:
                self._missed += 1
            else:
                self._fall_due(Due(place % len(self._requests), began + after))
        if self._open:
            await asyncio.wait_for(self._over.wait(), PATIENCE_SECONDS)
        return self._summarise()

    def answered(self, connection: OpenConnection, due: Due, body: bytes, told: bool) -> None:
        """Take an answer down, and give its connection what waits."""
        if due.status in REFUSED:
            self._unsaid += not told
        elif self._plan.expected[due.place] not in body:
            self._wrong += 1
        self._open -= 1
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)
        if not self._open:
            self._over.set()

    def _fall_due(self, due: Due) -> None:
        self._all.append(due)
        self._open += 1
        self._over.clear()
        if self._free:
            self._send(self._free.pop(), due)
        else:
            self._waiting.append(due)

    def _send(self, connection: OpenConnection, due: Due) -> None:
        connection.send(due, self._requests[due.place])

    def _summarise(self) -> OpenLoad:
        took = [one.answered - one.at for one in self._all if one.status == 200]
        statuses, rate = dict(Counter(one.status for one in self._all)), len(took) / self._plan.seconds
        return OpenLoad(
            len(self._all), rate, *latencies_ms(took), statuses, self._wrong, self._unsaid, self._missed
        )


def arrivals(plan: OpenPlan) -> Iterator[float]:
    """When each request falls due, in seconds from the beginning."""
    chosen = Random(plan.seed)
    for after in accumulate(chosen.expovariate(plan.rate) for _ in iter(int, 1)):
        if after > plan.seconds:
            return
        yield after


def main() -> None:
    """Read the plan, send, print the figures."""
    plan = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=OpenPlan)

    async def run() -> OpenLoad:
        return await RunningLoad(plan).run()

    print(msgspec.json.encode(uvloop.run(run())).decode(), flush=True)


if __name__ == "__main__":
    main()
