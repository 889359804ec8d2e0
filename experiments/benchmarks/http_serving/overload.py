"""Asks a server for several times what it can answer, and looks how long the accepted wait then.

In every round: what it can answer (a closed loop), how long the slowest answers take when a small share of
that is asked for, and when several times that is (open loops: requests fall due whether or not earlier ones
were answered, and their latency counts from then).
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from experiments.benchmarks.http_serving import open_load
from experiments.benchmarks.http_serving.load import Plan, Step
from experiments.benchmarks.http_serving.load_process import run_apart
from experiments.benchmarks.http_serving.measuring import START_SECONDS, WARM_UP, Running, run_plan
from experiments.benchmarks.http_serving.open_load import OpenLoad, OpenPlan
from experiments.benchmarks.http_serving.open_loop import REFUSED
from experiments.benchmarks.http_serving.tally import Load
from experiments.benchmarks.http_serving.world import ServingWorld, score_rows

TIMES: Final = 3.0
CALM_SHARE: Final = 0.25
# As many as keep the server busy at all times, and not so many that it would refuse one.
CAPACITY_CONNECTIONS: Final = 32
OPEN_CONNECTIONS: Final = 512
# After overload a server may go on refusing for a while.
RECOVER_SECONDS: Final = 2.0
# Of a prediction, what is the same whatever batch it was scored in.
SAME_DIGITS: Final = 6


@dataclass(frozen=True)
class Pressed:
    """One round: callers who wait, a calm open loop, one that asks for too much."""

    capacity: Load
    calm: OpenLoad
    overload: OpenLoad


@dataclass(frozen=True)
class Overload:
    """The rounds for requests of so many rows; all figures are medians over them, counts are sums."""

    batch: int
    rounds: Sequence[Pressed]

    @property
    def capacity(self) -> float:
        """Answers a second to callers who wait."""
        return median(each.capacity.rate for each in self.rounds)

    @property
    def calm_p99_ms(self) -> float:
        """The slowest percent with a small share of that."""
        return median(each.calm.p99_ms for each in self.rounds)

    @property
    def p99_ms(self) -> float:
        """The slowest percent of the accepted when too much is asked."""
        return median(each.overload.p99_ms for each in self.rounds)

    @property
    def p99_ratio(self) -> float:
        """How many times as long that is."""
        return self.p99_ms / self.calm_p99_ms

    @property
    def accepted(self) -> float:
        """Successes a second when too much is asked."""
        return median(each.overload.rate for each in self.rounds)

    @property
    def statuses(self) -> Counter[int]:
        """Answers by status when too much is asked."""
        counted: Counter[int] = Counter()
        for each in self.rounds:
            counted.update(each.overload.statuses)
        return counted

    @property
    def refused(self) -> int:
        """How many were told to come again."""
        return sum(number for status, number in self.statuses.items() if status in REFUSED)

    @property
    def otherwise(self) -> int:
        """How many were answered with neither."""
        return self.statuses.total() - self.statuses[200] - self.refused


def measure_overload(
    server: Running, world: ServingWorld, batch: int, folder: Path, rounds: int, seconds: float
) -> Overload:
    """Press one server, which answers as ours does, with requests of `batch` rows."""
    rows = len(world.features)
    step, expected = server.step(batch, rows), expected_answers(score_rows(world), batch)
    return Overload(batch, [press(step, expected, folder, seconds) for _ in range(rounds)])


def press(step: Step, expected: list[bytes], folder: Path, seconds: float) -> Pressed:
    """One round."""
    capacity = run_plan(Plan(step, CAPACITY_CONNECTIONS, WARM_UP, seconds), folder)
    calm, overload = (
        run_apart(
            open_load,
            OpenPlan(step, expected, share * capacity.rate, seconds, OPEN_CONNECTIONS, warm_up=WARM_UP),
            OpenLoad,
            folder,
            seconds + START_SECONDS,
        )
        for share in (CALM_SHARE, TIMES)
    )
    time.sleep(RECOVER_SECONDS)
    return Pressed(capacity, calm, overload)


def expected_answers(predictions: Sequence[float], batch: int) -> list[bytes]:
    """What the answer to each request of `batch` rows holds: the prediction for the first of them."""
    return [f'"prediction":{str(prediction)[:SAME_DIGITS]}'.encode() for prediction in predictions[::batch]]
