"""The population stability index: where it is zero, how large it gets, what it leaves to others."""

import numpy as np
import pandas as pd
import pytest

from contracts.profile import build_profile
from monitoring.ml.drift.population_stability import (
    column_psi,
    comparable_columns,
    missing_share_rise,
    population_stability_index,
)
from tests.monitoring.orders import COLUMNS, POLICY, START, draw_orders


def test_equal_shares_have_index_zero() -> None:
    shares = np.array([0.2, 0.3, 0.5])

    assert population_stability_index(shares, shares) == 0.0


def test_the_index_is_the_textbook_sum() -> None:
    expected = (0.6 - 0.5) * np.log(0.6 / 0.5) + (0.4 - 0.5) * np.log(0.4 / 0.5)

    assert population_stability_index(np.array([0.5, 0.5]), np.array([0.6, 0.4])) == pytest.approx(expected)


def test_sheer_sample_size_is_not_drift() -> None:
    """A shift that a test of significance would shout about stays far below the effect size."""
    random = np.random.default_rng(0)
    reference, current = random.normal(0, 1, 400_000), random.normal(0.02, 1, 400_000)

    assert column_psi(pd.Series(reference), pd.Series(current), "numeric") < POLICY.feature_psi / 100


def test_a_shift_of_one_standard_deviation_is_drift() -> None:
    random = np.random.default_rng(0)
    reference, current = pd.Series(random.normal(0, 1, 3_000)), pd.Series(random.normal(1, 1, 3_000))

    assert column_psi(reference, current, "numeric") > POLICY.feature_psi


def test_one_extreme_value_does_not_hide_a_shift() -> None:
    """Bins of equal width over the joint range would put everything into one."""
    random = np.random.default_rng(0)
    reference = pd.Series([*random.normal(0, 1, 3_000), 1e9])

    assert column_psi(reference, pd.Series(random.normal(1, 1, 3_000)), "numeric") > POLICY.feature_psi


def test_unseen_categories_are_drift() -> None:
    reference = pd.Series(["de", "fr"] * 500)

    assert column_psi(reference, pd.Series(["de", "fr"] * 500), "categorical") == 0.0
    assert column_psi(reference, pd.Series(["de", "xx"] * 500), "categorical") > POLICY.feature_psi


def test_missing_values_are_left_to_the_missing_share() -> None:
    values = pd.Series(np.random.default_rng(0).normal(0, 1, 2_000))
    thinned = values.where(np.arange(2_000) % 2 == 0)

    assert column_psi(values, thinned, "numeric") < POLICY.feature_psi / 10


def test_ignored_and_empty_columns_are_not_compared() -> None:
    orders = draw_orders(START, 500, seed=1)
    emptied = orders.assign(rating=np.nan)

    compared = comparable_columns(COLUMNS, orders, emptied, POLICY.ignored_features)

    assert [column.name for column in compared] == ["country", "amount", "items"]


def test_a_feature_that_goes_missing_rises() -> None:
    reference, current = draw_orders(START, 2_000, seed=1), draw_orders(START, 2_000, seed=2, unrated=0.6)
    numeric = {
        column.name: reference[column.name].to_numpy() for column in COLUMNS if column.kind == "numeric"
    }
    profile = build_profile(numeric, {"country": reference["country"].to_numpy(object)}, numeric["amount"])

    rises = missing_share_rise(COLUMNS, profile, current)

    assert next(iter(rises)) == "rating"
    assert rises["rating"] == pytest.approx(0.55, abs=0.05)
    assert rises["amount"] == 0.0
