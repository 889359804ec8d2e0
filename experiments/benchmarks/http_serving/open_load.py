"""An open-loop load: requests fall due at a rate, whether or not the earlier ones were answered.

What is due while every connection waits for an answer waits for a connection, and its latency counts from
the moment it was due: a slow service cannot hide behind callers that it holds up (coordinated omission;
G. Tene, "How NOT to Measure Latency", 2015). Run as a process of its own (`python -m … PLAN`), so that it
takes no time from what it measures. It stops by itself, and it speaks to this machine only.
"""

from collections.abc import Iterator
from itertools import accumulate
from random import Random

import msgspec

from experiments.benchmarks.http_serving.load import Step, encode_request
from experiments.benchmarks.http_serving.load_process import carry_out
from experiments.benchmarks.http_serving.open_loop import OpenLoop
from experiments.benchmarks.http_serving.tally import latencies_ms


class OpenPlan(msgspec.Struct, frozen=True):
    """Requests a second, for so many seconds after a warm-up, over so many connections.

    `expected`: what the answer to each of the step's bodies holds when it is a success. Arrivals are a
    Poisson process drawn from `seed`.
    """

    step: Step
    expected: list[bytes]
    rate: float
    seconds: float
    connections: int
    seed: int = 2013
    warm_up: float = 0.0


class OpenLoad(msgspec.Struct, frozen=True):
    """What came of it: successes a second and their latencies in milliseconds, and answers by status.

    All are of what was due after the warm-up but `warm_up_p99_ms`, which is of the successes due in it.
    `wrong`: successes that did not hold what was expected. `unsaid`: refusals that did not say when to ask
    again. `missed`: what was not sent, since this process itself was kept from its work when it was due.
    `late_p99_ms`: how long successes had waited to be sent, for this process or a connection; latencies hold
    that too.
    """

    asked: int
    rate: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]
    wrong: int
    unsaid: int
    missed: int
    late_p99_ms: float
    warm_up_p99_ms: float


def run_open_load(plan: OpenPlan) -> OpenLoad:
    """Send what falls due, then wait for what is open.

    Raises:
        TimeoutError: it was not answered in time.
    """
    requests = [encode_request(plan.step, body) for body in plan.step.bodies]
    loop = OpenLoop(plan.step.port, requests, plan.expected, plan.connections)
    loop.run(list(arrivals(plan)), plan.warm_up)
    return OpenLoad(
        asked=loop.asked,
        rate=len(loop.took) / plan.seconds,
        p50_ms=latencies_ms(loop.took)[0],
        p99_ms=latencies_ms(loop.took)[1],
        statuses=dict(loop.statuses),
        wrong=loop.wrong,
        unsaid=loop.unsaid,
        missed=loop.missed,
        late_p99_ms=latencies_ms(loop.late)[1],
        warm_up_p99_ms=latencies_ms(loop.early)[1],
    )


def arrivals(plan: OpenPlan) -> Iterator[float]:
    """When each request falls due, in seconds from the beginning."""
    chosen = Random(plan.seed)
    for after in accumulate(chosen.expovariate(plan.rate) for _ in iter(int, 1)):
        if after > plan.warm_up + plan.seconds:
            return
        yield after


if __name__ == "__main__":
    carry_out(OpenPlan, run_open_load)
