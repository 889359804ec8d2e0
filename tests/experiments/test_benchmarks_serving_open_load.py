"""The open-loop load: sends what is due whoever waits, and counts latencies from when it was due."""

from itertools import count

import pytest
from msgspec import structs

from experiments.benchmarks.http_serving.load import Step
from experiments.benchmarks.http_serving.open_load import OpenPlan, arrivals, run_open_load
from tests.experiments.answering import BETWEEN_PIECES, BODY, CHUNKED, FIRST, REFUSED, answer, answering

SECONDS = 0.5
RATE = 200.0
UNSAID = answer(b"content-length: 0", status=b"429 Too Many Requests", body=b"")


def plan_of(port: int, connections: int = 32, rate: float = RATE) -> OpenPlan:
    return OpenPlan(Step(port, "/", {}, [b"{}"]), [BODY], rate, SECONDS, connections)


def test_what_falls_due_is_sent_whatever_it_is_answered() -> None:
    places = count()
    kinds = [[FIRST], [CHUNKED], [REFUSED], [UNSAID], [b""], [answer(b"content-length: 2", body=b"no")]]

    with answering(lambda _body: kinds[next(places) % len(kinds)]) as port:
        plan = plan_of(port)
        load = run_open_load(plan)

    assert load.asked + load.missed == len(list(arrivals(plan)))
    assert load.asked == sum(load.statuses.values()) == next(places)
    sixth = pytest.approx(load.asked / len(kinds), abs=1)
    assert {status: number for status, number in load.statuses.items() if status != 200} == {
        503: sixth,
        429: sixth,
        0: sixth,
    }
    assert load.wrong == sixth
    assert load.unsaid == sixth
    assert load.rate == load.statuses[200] / SECONDS


def test_waiting_for_a_connection_counts_as_latency() -> None:
    pieces = [FIRST[:20], FIRST[20:40], FIRST[40:]]

    with answering(lambda _body: pieces) as port:
        load = run_open_load(plan_of(port, connections=1))

    assert load.statuses == {200: load.asked}
    at_least = load.asked * 2 * BETWEEN_PIECES
    assert load.p99_ms > 0.9 * (at_least - SECONDS) * 1_000 > 0


def test_what_is_due_in_the_warm_up_is_told_apart() -> None:
    with answering(lambda _body: [FIRST]) as port:
        plan = structs.replace(plan_of(port), warm_up=SECONDS)
        load = run_open_load(plan)

    after = [due for due in arrivals(plan) if due >= plan.warm_up]
    assert load.asked + load.missed == len(after) < len(list(arrivals(plan)))
    assert load.statuses == {200: load.asked}
    assert load.rate == load.asked / SECONDS
    assert load.warm_up_p99_ms > 0


def test_arrivals_come_at_the_rate_and_do_not_repeat() -> None:
    plan = plan_of(0, rate=20_000)

    due = list(arrivals(plan))

    assert due == sorted(due)
    assert due[-1] < SECONDS
    assert len(due) == pytest.approx(plan.rate * SECONDS, rel=0.05)
