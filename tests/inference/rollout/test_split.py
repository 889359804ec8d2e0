"""Who belongs to which arm: the same caller always, more callers as the share grows, in proportion."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.rollout.split import Split, position, unit_of
from inference.validation.schema import Question

TEXTS = st.text(max_size=40)
SHARES = st.floats(min_value=0.001, max_value=0.999)
AS_OF = datetime(2024, 5, 1, tzinfo=UTC)


def ask(request_id: str, **fields: object) -> Question:
    return Question(request_id, fields, AS_OF)


@given(TEXTS, TEXTS, SHARES, SHARES)
def test_a_growing_share_only_moves_callers_to_the_challenger(
    salt: str, request_id: str, one: float, other: float
) -> None:
    smaller, larger = (
        Split("canary", share, "request_id", salt).answers(ask(request_id)) for share in sorted((one, other))
    )

    assert larger or not smaller


@given(TEXTS, TEXTS, TEXTS, TEXTS, SHARES)
def test_a_caller_stays_with_its_model_whatever_else_it_asks(
    salt: str, site: str, first: str, second: str, share: float
) -> None:
    split = Split("ab", share, "site", salt)

    assert split.answers(ask(first, site=site, fee=1.0)) == split.answers(ask(second, site=site, fee=2.0))


@given(TEXTS, st.one_of(TEXTS, st.integers()))
def test_a_unit_has_one_place(salt: str, value: str | int) -> None:
    unit = unit_of("site", "any", {"site": value})

    assert 0 <= position(salt, unit) < 1
    assert position(salt, unit) == position(salt, unit_of("site", "another", {"site": value}))


@given(TEXTS, TEXTS)
def test_a_key_without_a_value_falls_back_on_the_request(salt: str, request_id: str) -> None:
    by_site, by_request = Split("ab", 0.5, "site", salt), Split("ab", 0.5, "request_id", salt)

    assert by_site.answers(ask(request_id)) == by_request.answers(ask(request_id))
    assert by_site.answers(ask(request_id, site=None)) == by_request.answers(ask(request_id))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_arms_have_their_shares_under_any_salt(share: float) -> None:
    units = 20_000
    allowed = 4 * (share * (1 - share) / units) ** 0.5
    for salt in ("a", "b", "c"):
        split = Split("ab", share, "request_id", salt)
        answered = sum(split.answers(ask(str(number))) for number in range(units)) / units
        assert abs(answered - share) < allowed


def test_another_salt_draws_anew() -> None:
    asked = [ask(str(number)) for number in range(10_000)]
    one, other = (Split("ab", 0.5, "request_id", salt) for salt in ("one", "other"))

    both = sum(one.answers(question) and other.answers(question) for question in asked)

    assert 2_300 < both < 2_700


def test_a_shadow_scores_everything_and_answers_nothing() -> None:
    split = Split("shadow", 0.0, "request_id", "salt")

    assert split.shadows(ask("a"))
    assert not split.answers(ask("a"))
    assert not Split("canary", 0.9, "request_id", "salt").shadows(ask("a"))
