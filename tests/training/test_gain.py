"""A gain is as sure as its days agree: rows of one day are not independent."""

import numpy as np
import pandas as pd
import pytest

from contracts.metrics import Floats
from tests.training.conftest import BEFORE_THE_SHIFT
from training.gain import DAY, Gain, measure_gain, number_days

DAYS, ROWS = 7, 300


def compare(generator: np.random.Generator, better: float, by_day: float, days: int = DAYS) -> Gain:
    """Two models' errors: the challenger's smaller by `better`, more or less so by its day."""
    day = np.repeat(np.arange(days), ROWS)
    moved = better + by_day * generator.normal(size=days)[day]
    label = generator.normal(size=len(day))
    rival = label + 2.0
    return measure_gain("regression", "mae", label, rival - moved, rival, day)


def test_equal_models_gain_in_half_of_the_windows_and_surely_in_few() -> None:
    # given two hundred windows with equally good models, whose days differ
    generator = np.random.default_rng(3)
    gains = [compare(generator, better=0.0, by_day=0.3) for _ in range(200)]
    # then a point above zero is a coin's toss, and the probability is as often above a level as it should be
    assert np.mean([gain.point > 0 for gain in gains]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([(gain.probability or 0) > 0.9 for gain in gains]) == pytest.approx(0.1, abs=0.06)
    covered = [gain.low is not None and gain.low <= 0 <= (gain.high or 0) for gain in gains]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)


def test_a_gain_on_every_day_is_sure() -> None:
    gain = compare(np.random.default_rng(4), better=0.3, by_day=0.05)
    assert gain.probability is not None
    assert gain.probability > 0.99
    assert "better by 0.29" in gain.describe()


def test_the_same_model_gains_nothing() -> None:
    assert compare(np.random.default_rng(5), better=0.0, by_day=0.0).probability == 0.0


def test_one_day_cannot_tell() -> None:
    gain = compare(np.random.default_rng(6), better=0.3, by_day=0.1, days=1)
    assert (gain.low, gain.high, gain.probability, gain.days) == (None, None, None, 1)
    assert "probability" not in gain.describe()
    assert Gain.model_validate_json(gain.model_dump_json()) == gain


def test_a_metric_that_is_undefined_without_a_day_cannot_tell() -> None:
    label: Floats = np.array([0.0, 0.0, 1.0])
    gain = measure_gain("binary", "roc_auc", label, label, 1 - label, np.array([0, 0, 1]))
    assert (gain.point, gain.probability) == (1.0, None)


def test_days_are_whole_ones_counted_from_where_the_window_begins() -> None:
    start = BEFORE_THE_SHIFT + DAY / 3
    instants = pd.Series(pd.to_datetime([start, start + DAY * 0.99, start + DAY, start + 2.5 * DAY]))
    assert number_days(instants, start).tolist() == [0, 0, 1, 2]
