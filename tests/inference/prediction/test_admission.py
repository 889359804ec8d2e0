"""Who is let in: everybody at first, then as many as can be answered soon, and everybody again afterwards."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from inference.errors import OverloadedError
from inference.prediction import admission as admitting
from inference.prediction.admission import LEAST, QUIET_SECONDS, TURNS, UNDISPUTED, Admission
from inference.prediction.bounded_threads import BoundedThreads
from inference.prediction.retry_after import LATEST, SOONEST
from tests.inference.clock import Clock

TARGET = 0.002


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    for name in ("perf_counter", "thread_time"):
        monkeypatch.setattr(admitting, name, ticking)
    return ticking


def fill(admission: Admission) -> int:
    """Enter until refused; how many entered."""
    entered = 0
    while True:
        try:
            admission.enter()
        except OverloadedError:
            return entered
        entered += 1


def answer(admission: Admission, clock: Clock, seconds_each: float, requests: int) -> None:
    """One turn of the loop: a batch begins, after as much work as so many took."""
    clock.now += seconds_each * requests
    admission.start_batch(requests)
    for _ in range(requests):
        admission.leave()


def test_callers_who_wait_are_not_refused(clock: Clock) -> None:
    admission = Admission(TARGET, most_under_way=1_000)
    for _ in range(100):
        for _ in range(UNDISPUTED):
            admission.enter()
        answer(admission, clock, seconds_each=0.01, requests=UNDISPUTED)
    assert admission.under_way == 0


def settle(admission: Admission, clock: Clock, seconds_each: float) -> int:
    """Overload for a hundred turns; how many are let in by then."""
    for _ in range(100):
        answer(admission, clock, seconds_each, requests=fill(admission))
    return fill(admission)


@pytest.mark.parametrize("seconds_each", [0.00001, 0.00005, 0.0001])
def test_in_overload_a_turn_takes_what_the_target_says(clock: Clock, seconds_each: float) -> None:
    assert settle(Admission(TARGET, 1_000), clock, seconds_each) == pytest.approx(
        TARGET / seconds_each, rel=0.4
    )


def test_however_many_are_refused_as_many_are_let_in(clock: Clock) -> None:
    admission, refusal, each = Admission(TARGET, 1_000), 0.00003, 0.00005
    for _ in range(100):
        entered = fill(admission)
        for _ in range(500):
            clock.now += refusal
            fill(admission)
        answer(admission, clock, each, entered)
    assert fill(admission) == pytest.approx(TARGET / each, rel=0.4)


def test_in_overload_a_turn_of_slow_requests_takes_a_few_times_a_single_one(clock: Clock) -> None:
    admission, fixed, each = Admission(TARGET, 1_000), 0.02, 0.001
    for _ in range(100):
        admission.enter()
        answer(admission, clock, fixed + each, requests=1)
    for _ in range(100):
        requests = fill(admission)
        answer(admission, clock, fixed / requests + each, requests)
    longest = TURNS * (fixed + each)
    assert fill(admission) == pytest.approx((longest - fixed) / each, rel=0.4)


def test_the_slowest_still_leave_something_to_batch(clock: Clock) -> None:
    assert settle(Admission(TARGET, 1_000), clock, seconds_each=0.01) == LEAST


def test_everybody_is_let_in_again_after_a_quiet_time(clock: Clock) -> None:
    admission = Admission(TARGET, most_under_way=1_000)
    for _ in range(3):
        answer(admission, clock, seconds_each=0.01, requests=fill(admission))
    clock.now += QUIET_SECONDS + 0.1
    assert fill(admission) == UNDISPUTED


def test_who_waits_for_a_store_takes_nobodys_place_in_the_loop(clock: Clock) -> None:
    admission = Admission(TARGET, most_under_way=1_000)
    with admission.outside_turns(fill(admission)):
        assert fill(admission) == UNDISPUTED


def test_there_are_never_more_than_the_most(clock: Clock) -> None:
    admission = Admission(TARGET, most_under_way=10)
    with admission.outside_turns(fill(admission)):
        assert fill(admission) == 0
        assert admission.under_way == 10


def test_a_refusal_leaves_no_trace(clock: Clock) -> None:
    admission = Admission(TARGET, most_under_way=1)
    with admission, pytest.raises(OverloadedError) as refused, admission:
        pass
    assert SOONEST <= int(refused.value.headers["Retry-After"]) <= LATEST
    assert admission.under_way == 0


def test_only_so_many_calls_wait_for_a_thread() -> None:
    threads, go_on = BoundedThreads("test", threads=1, most_waiting=2), threading.Event()

    async def run(calls: int, work: Callable[[], bool]) -> list[object]:
        given = [asyncio.ensure_future(threads.run(work)) for _ in range(calls)]
        await asyncio.sleep(0)
        go_on.set()
        return list(await asyncio.gather(*given, return_exceptions=True))

    answered = asyncio.run(run(5, lambda: go_on.wait(10)))

    assert answered[:3] == [True] * 3
    assert [type(refusal) for refusal in answered[3:]] == [OverloadedError] * 2
    assert asyncio.run(run(3, lambda: True)) == [True] * 3
    threads.close()
