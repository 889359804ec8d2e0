"""The sequential tests keep their promise: few false alarms however often one looks, few labels for harm."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inference.rollout.policy import DEFAULT_STEPS, RolloutPolicy
from inference.rollout.sequential_test import Floats, above, log_wealth, paired, two_arms
from inference.rollout.verdict import CLEARLY_WORSE, HARMS, ROLLED_BACK_WITHIN
from tests.inference.simulated_losses import DRAWS, wealth_of_arms, wealth_of_pairs

ALPHA = RolloutPolicy.model_fields["alpha"].default
ROLL_BACK, PROMOTE = np.log(HARMS / ALPHA), np.log(1 / ALPHA)
QUICK, MANY, LABELS = 200, 1_000, 2_000
SHARES = {"5 %": 0.05, "20 %": 0.2, "half": 0.5}


def canary_shares(labels: int) -> Floats:
    """The shares of a canary that advances a third of the way through, each time."""
    thirds = np.array_split(np.empty(labels), len(DEFAULT_STEPS))
    return np.concatenate(
        [np.full(len(part), step.share) for part, step in zip(thirds, DEFAULT_STEPS, strict=True)]
    )


def false_alarms(log_wealths: Floats, limit: float) -> float:
    """The share of runs that cross the limit at any of the looks, one after each label."""
    return float((log_wealths >= limit).any(axis=-1).mean())


def tolerated(rate: float, runs: int) -> float:
    """The rate itself where there are many runs; with few, what chance may make of it (3 deviations)."""
    return rate if runs >= MANY else rate + 3 * (rate * (1 - rate) / runs) ** 0.5


def check_two_arms(runs: int, kind: str, shares: Floats) -> None:
    worse, better, _ = wealth_of_arms(np.random.default_rng(11), DRAWS[kind], runs, LABELS, shares)
    assert false_alarms(worse, ROLL_BACK) <= tolerated(ALPHA / HARMS, runs)
    assert false_alarms(better, PROMOTE) <= tolerated(ALPHA, runs)


def check_pairs(runs: int, kind: str) -> None:
    worse, better = wealth_of_pairs(np.random.default_rng(12), DRAWS[kind], runs, LABELS)
    assert false_alarms(worse, ROLL_BACK) <= tolerated(ALPHA / HARMS, runs)
    assert false_alarms(better, PROMOTE) <= tolerated(ALPHA, runs)


@pytest.mark.parametrize("kind", DRAWS)
def test_models_alike_are_seldom_told_apart(kind: str) -> None:
    check_two_arms(QUICK, kind, np.full(LABELS, 0.2))
    check_pairs(QUICK, kind)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("share", SHARES)
def test_a_thousand_rollouts_of_models_alike(kind: str, share: str) -> None:
    check_two_arms(MANY, kind, np.full(LABELS, SHARES[share]))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", DRAWS)
def test_a_thousand_canaries_and_shadows_of_models_alike(kind: str) -> None:
    check_two_arms(MANY, kind, canary_shares(LABELS))
    check_pairs(MANY, kind)


def labels_until(log_wealths: Floats, limit: float, labels: npt.NDArray[np.number[Any]]) -> float:
    """The challenger's labels at the crossing, in the slowest run but one in twenty."""
    crossed = log_wealths >= limit
    at = np.where(crossed.any(axis=-1), crossed.argmax(axis=-1), -1)
    spent = np.where(at >= 0, np.take_along_axis(labels, np.maximum(at, 0)[:, None], axis=-1)[:, 0], np.inf)
    return float(np.quantile(spent, 0.95, method="higher"))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", ["rare", "squared"])
def test_a_clearly_worse_challenger_is_found_within_the_stated_labels(kind: str, share: str) -> None:
    labels = int(1.3 * ROLLED_BACK_WITHIN / SHARES[share])
    shares = np.full(labels, SHARES[share])

    worse, _, spent = wealth_of_arms(
        np.random.default_rng(13), DRAWS[kind], 100, labels, shares, harm=CLEARLY_WORSE
    )

    assert labels_until(worse, ROLL_BACK, spent) <= ROLLED_BACK_WITHIN


def test_a_clearly_worse_shadow_is_found_within_the_stated_labels() -> None:
    for draw in DRAWS.values():
        worse, _ = wealth_of_pairs(
            np.random.default_rng(14), draw, 100, ROLLED_BACK_WITHIN, harm=CLEARLY_WORSE
        )
        counted = np.broadcast_to(np.arange(1, ROLLED_BACK_WITHIN + 1), worse.shape)
        assert labels_until(worse, ROLL_BACK, counted) <= ROLLED_BACK_WITHIN


def test_failures_within_the_allowance_alarm_seldom_and_beyond_it_soon() -> None:
    random = np.random.default_rng(15)
    allowed, twice = (
        log_wealth(above(0.05, random.random((QUICK, LABELS)) < share)) for share in (0.05, 0.15)
    )

    assert false_alarms(allowed, ROLL_BACK) <= tolerated(ALPHA / HARMS, QUICK)
    assert false_alarms(twice[:, :500], ROLL_BACK) > 0.95


def test_a_margin_lets_a_difference_pass() -> None:
    random = np.random.default_rng(16)
    theirs, mine = (random.random((QUICK, LABELS)) < share for share in (0.10, 0.14))
    within = log_wealth(paired(mine.astype(float), theirs.astype(float), margin=0.05))
    past = log_wealth(paired(mine.astype(float), theirs.astype(float)))

    assert false_alarms(within, ROLL_BACK) <= tolerated(ALPHA / HARMS, QUICK)
    assert false_alarms(past, ROLL_BACK) > 0.5


def test_wealth_is_never_lost_altogether_and_starts_at_one() -> None:
    worst = two_arms(np.array([1.0, 0.0] * 50), np.array([False, True] * 50), np.full(100, 0.05))
    path = log_wealth(worst)

    assert np.isfinite(path).all()
    assert log_wealth(paired(np.zeros(3), np.zeros(3))).tolist() == pytest.approx([0, 0, 0])
