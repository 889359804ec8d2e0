"""Nobody gets more than the bucket holds and fills with, and no caller costs memory that another needs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.access import rate_limit
from inference.access.control import AccessControl
from inference.access.errors import RateLimitedError, UnauthenticatedError
from inference.access.key_authentication import KeyAuthentication
from inference.access.rate_limit import Rate, RateLimit
from tests.inference.callers import as_asgi, new_key
from tests.inference.clock import Clock

SLOW = Rate(per_second=0.01, burst=3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(rate_limit, "monotonic", ticking)
    return ticking


def taken(limit: RateLimit) -> bool:
    try:
        limit.take()
    except RateLimitedError:
        return False
    return True


def test_a_burst_passes_and_the_next_is_told_when(clock: Clock) -> None:
    limit = RateLimit(Rate(per_second=2, burst=3))

    assert [taken(limit) for _ in range(4)] == [True, True, True, False]
    with pytest.raises(RateLimitedError) as refused:
        limit.take()
    assert refused.value.status == 429
    clock.now += int(refused.value.headers["Retry-After"])
    assert taken(limit)


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    limit = RateLimit(Rate(per_second=1, burst=1))
    limit.take()
    for _ in range(100):
        assert not taken(limit)

    clock.now += 1
    assert taken(limit)


@given(
    rate=st.builds(Rate, per_second=st.floats(0.1, 100), burst=st.integers(1, 20)),
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_stretch_of_time_sees_more_than_the_rate_allows(rate: Rate, waits: list[float]) -> None:
    ticking = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rate_limit, "monotonic", ticking)
        limit, passed = RateLimit(rate), []
        for wait in waits:
            ticking.now += wait
            if taken(limit):
                passed.append(ticking.now)
    for first, begin in enumerate(passed):
        for last, end in enumerate(passed[first:], start=1):
            assert last <= rate.burst + rate.per_second * (end - begin) + 1e-6


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_each_key_has_its_own_bucket_and_may_have_its_own_rate(path: Path) -> None:
    ada, bob = new_key(path, "ada"), new_key(path, "bob", rate=Rate(per_second=0.01, burst=1))
    access = AccessControl([KeyAuthentication(path, SLOW)])

    for _ in range(SLOW.burst):
        access.check(as_asgi(ada), "predict")
    access.check(as_asgi(bob), "predict")

    for token in (ada, bob):
        with pytest.raises(RateLimitedError):
            access.check(as_asgi(token), "predict")
    access.close()


def test_a_bucket_outlives_a_change_of_the_file(path: Path) -> None:
    token = new_key(path, "ada")
    ring = KeyAuthentication(path, SLOW)
    access = AccessControl([ring])
    for _ in range(SLOW.burst):
        access.check(as_asgi(token), "predict")

    new_key(path, "bob")
    ring.reload()

    with pytest.raises(RateLimitedError):
        access.check(as_asgi(token), "predict")
    access.close()


def test_who_is_not_let_in_uses_up_nobody_s_rate(path: Path) -> None:
    token = new_key(path, "ada")
    access = AccessControl([KeyAuthentication(path, SLOW)])

    for number in range(100):
        with pytest.raises(UnauthenticatedError):
            access.check(as_asgi(f"rt_ada.{number}"), "predict")

    access.check(as_asgi(token), "predict")
    access.close()


def test_without_keys_all_share_one_rate() -> None:
    access = AccessControl((), SLOW)

    for _ in range(SLOW.burst):
        assert access.check([], "predict").id is None
    with pytest.raises(RateLimitedError):
        access.check([], "admin")


@pytest.mark.parametrize(
    ("declared", "meant"),
    [((None, 5), None), ((2.5, None), (2.5, 3)), ((0.1, None), (0.1, 1)), ((9, 4), (9, 4))],
)
def test_a_rate_is_declared_by_two_settings(
    declared: tuple[float | None, int | None], meant: tuple[float, int] | None
) -> None:
    rate = Rate.declared(*declared)

    assert (rate and (rate.per_second, rate.burst)) == meant
