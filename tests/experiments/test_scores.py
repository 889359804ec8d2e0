"""The replay's scores: paired on the same examples, resampled by day."""

import numpy as np
import pandas as pd
import pytest

from experiments.replay.scores import example_loss, paired_interval, running_base_rate


def test_log_loss_of_an_example_is_that_of_its_label() -> None:
    label, prediction = np.array([1.0, 0.0]), np.array([0.8, 0.8])

    assert example_loss("binary", label, prediction) == pytest.approx([-np.log(0.8), -np.log(0.2)])


def test_a_certain_and_wrong_prediction_has_a_finite_loss() -> None:
    assert np.isfinite(example_loss("binary", np.array([1.0]), np.array([0.0]))).all()


def test_regression_is_scored_by_squared_error() -> None:
    assert example_loss("regression", np.array([3.0]), np.array([1.0])) == pytest.approx([4.0])


def test_the_interval_of_a_steady_gain_excludes_zero_and_of_noise_does_not() -> None:
    random = np.random.default_rng(0)
    days = pd.Series(pd.date_range("2013-05-01", periods=30, tz="UTC").repeat(50))
    noise = pd.Series(random.normal(0, 1, len(days)))

    assert paired_interval(noise - 1.0, days, seed=1).high < 0
    interval = paired_interval(noise - noise.mean(), days, seed=1)
    assert interval.low < 0 < interval.high


def test_days_that_move_together_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    days = pd.Series(pd.date_range("2013-05-01", periods=30, tz="UTC").repeat(50))
    alone = pd.Series(random.normal(0, 1, len(days)))
    together = pd.Series(random.normal(0, 1, 30).repeat(50))

    narrow, wide = (paired_interval(values, days, seed=1) for values in (alone, together))

    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_the_base_rate_knows_only_labels_that_had_arrived() -> None:
    known_at = pd.to_datetime(["2013-01-01", "2013-01-03", "2013-01-09"], utc=True)
    labels = pd.DataFrame({"label": [1, 0, 1], "known_at": known_at})
    starts = pd.Series(pd.to_datetime(["2013-01-02", "2013-01-08", "2013-01-15"], utc=True))

    rates = running_base_rate(labels, "label", starts)

    assert list(rates.values()) == pytest.approx([1.0, 0.5, 2 / 3])
