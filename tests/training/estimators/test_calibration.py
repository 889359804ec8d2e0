"""Calibration corrects what many rows show, and hardly moves on what a few say."""

import numpy as np
import pytest

from contracts.encoders.calibration import PRIOR_ROWS, Calibration, fit_calibration, sigmoid


def draw(rows, slope, shift, seed=0):
    """Raw logits and labels whose true chance is `sigmoid(slope * raw + shift)`."""
    generator = np.random.default_rng(seed)
    raw = generator.normal(-1, 1, rows)
    return raw, (generator.random(rows) < sigmoid(slope * raw + shift)).astype(float)


def test_many_rows_are_believed():
    raw, label = draw(100_000, slope=0.7, shift=0.4)
    fitted = fit_calibration("binary", raw, label, prior_rows=1_000)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.7, 0.4), abs=0.05)


def test_a_right_model_is_left_alone():
    fitted = fit_calibration("binary", *draw(20_000, slope=1, shift=0))
    assert (fitted.slope, fitted.intercept) == pytest.approx((1, 0), abs=0.05)


def test_one_odd_day_moves_little():
    raw = draw(PRIOR_ROWS // 20, 1, 0)[0]
    fitted = fit_calibration("binary", raw, np.ones_like(raw))
    moved = fitted.apply(np.array([-1.0]))[0] - sigmoid(np.array([-1.0]))[0]
    assert 0 < moved < 0.1
    assert 0.8 < fitted.slope < 1.2


def test_no_rows_leave_the_model_as_it_is():
    assert fit_calibration("binary", np.empty(0), np.empty(0)) == Calibration("binary")


def test_scores_that_do_not_differ_still_get_their_level():
    raw, label = np.full(50_000, 0.1), np.zeros(50_000)
    label[:5_000] = 1
    chance = fit_calibration("binary", raw, label, prior_rows=1_000).apply(raw[:1])[0]
    assert 0.09 < chance < 0.15


def test_a_regression_is_straightened():
    raw = np.linspace(0, 1_000, 50_000)
    fitted = fit_calibration("regression", raw, 1.1 * raw + 30, prior_rows=1_000)
    assert (fitted.slope, fitted.intercept) == pytest.approx((1.1, 30), rel=0.1)


def test_order_is_kept():
    fitted = fit_calibration("binary", *draw(5_000, slope=0.5, shift=1))
    assert (np.diff(fitted.apply(np.linspace(-9, 9, 50))) > 0).all()


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
