"""Starts the contestants, checks that they answer alike, and loads them in turn, round after round."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from msgspec import structs

from experiments.benchmarks.http_serving import load
from experiments.benchmarks.http_serving.contestants import Contestant
from experiments.benchmarks.http_serving.kept_connection import HOST
from experiments.benchmarks.http_serving.load import Onward, Plan, Step
from experiments.benchmarks.http_serving.load_process import LoadFailedError, run_apart
from experiments.benchmarks.http_serving.tally import Load
from experiments.benchmarks.http_serving.wire import Columns
from experiments.processes import Service, Supervisor, free_port

CONNECTIONS = 8
WARM_UP = 0.5
CHECKED_ROWS = 32
TOLERANCE = 1e-5
START_SECONDS = 120.0
# What a server does once it is ready, such as importing what its first answers needed not, is no part of it.
SETTLE_SECONDS = 10.0
# MLServer takes three ports in a row.
PORTS_EACH = 10
FIRST_PORT = 21_000


class AnswersDifferError(RuntimeError):
    """Contestants answer the same rows otherwise, so that their speeds say nothing."""


@dataclass(frozen=True)
class Running:
    """A contestant that answers on a port."""

    contestant: Contestant
    service: Service
    port: int

    def step(self, batch: int, rows: int) -> Step:
        """Requests of `batch` rows each, over all rows."""
        given = self.contestant
        places = [[(start + place) % rows for place in range(batch)] for start in range(0, rows, batch)]
        return Step(self.port, given.path, given.headers, [given.body(each) for each in places])


@contextmanager
def running(contestants: Sequence[Contestant], workers: int, logs: Path) -> Iterator[list[Running]]:
    """Start all, wait until each answers; end all afterwards."""
    with Supervisor(logs) as supervisor:
        started = [
            _start(supervisor, given, workers, FIRST_PORT + PORTS_EACH * place)
            for place, given in enumerate(contestants)
        ]
        for each in started:
            each.service.wait_until(lambda each=each: _is_up(each), START_SECONDS)  # type: ignore[misc]
        time.sleep(SETTLE_SECONDS)
        yield started


def require_equal_answers(contestants: Sequence[Running], expected: Sequence[float]) -> None:
    """Ask every contestant for the first rows.

    Raises:
        AnswersDifferError: one answers otherwise than the graph does.
    """
    for each in contestants:
        given, rows = each.contestant, range(min(CHECKED_ROWS, len(expected)))
        answer = httpx.post(
            f"http://{HOST}:{each.port}{given.path}",
            content=given.body(rows),
            headers={"content-type": "application/json", **given.headers},
            timeout=30.0,
        )
        read = given.read(answer.content) if answer.is_success else []
        if answer.is_error or not np.allclose(read, expected[: len(read)], rtol=0, atol=TOLERANCE):
            raise AnswersDifferError(f"{given.name} answers {answer.status_code}: {answer.text[:500]}")


def plan_load(each: Running, batch: int, rows: int, seconds: float, connections: int = CONNECTIONS) -> Plan:
    """Requests of `batch` rows to one contestant, over all rows."""
    return Plan(each.step(batch, rows), connections, WARM_UP, seconds)


def plan_chain(first: Running, second: Running, columns: Columns, rows: int, seconds: float) -> Plan:
    """For each row a feature server's answer, then a model server's to that."""
    wire = second.contestant.wire
    assert wire is not None, f"{second.contestant.name} takes no features from elsewhere"
    onward = Onward(structs.replace(second.step(1, 1), bodies=[]), columns, wire)
    return Plan(first.step(1, rows), CONNECTIONS, WARM_UP, seconds, onward)


def measure_in_turn(plans: Mapping[str, Plan], rounds: int, folder: Path) -> dict[str, list[Load]]:
    """Load one after the other in every round; every round's figures."""
    loads: dict[str, list[Load]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, plan in plans.items():
            loads[name].append(run_plan(plan, folder))
    return loads


def run_plan(plan: Plan, folder: Path) -> Load:
    """Carry a plan out in a process of its own.

    Raises:
        LoadFailedError: it ended otherwise than well, or no answer was a success.
    """
    done = run_apart(load, plan, Load, folder, plan.warm_up + plan.seconds + START_SECONDS)
    if not done.rate:
        raise LoadFailedError(f"port {plan.step.port}: nothing was answered well: {done.statuses}")
    return done


def middle(rounds: Sequence[Load]) -> Load:
    """The median of each figure; answers by status are summed."""
    statuses: Counter[int] = Counter()
    for each in rounds:
        statuses.update(each.statuses)
    return Load(
        median(each.rate for each in rounds),
        median(each.p50_ms for each in rounds),
        median(each.p99_ms for each in rounds),
        dict(statuses),
    )


def _start(supervisor: Supervisor, given: Contestant, workers: int, port: int) -> Running:
    port = free_port(port)
    service = supervisor.start(
        given.name.replace(" ", "_"),
        given.command(port, workers),
        given.env(port, workers),
        f"http://{HOST}:{port}",
        given.folder,
    )
    return Running(given, service, port)


def _is_up(each: Running) -> bool:
    return httpx.get(each.service.url + each.contestant.ready, timeout=5.0).status_code < 300
