"""Quality of labelled predictions: skill over the window's own base rate, and the calibration gap."""

import numpy as np
import pytest

from contracts.problem import Problem
from monitoring.ml.windows.quality import measure_quality
from tests.monitoring.orders import POLICY, PROBLEM, START, draw_orders
from tests.second_problem.problem import PROBLEM as REGRESSION


def measure_orders(worse: float = 0.0, noise: float = 0.0) -> tuple[float, float]:
    orders = draw_orders(START, 20_000, seed=3, worse=worse, noise=noise)
    quality = measure_quality(PROBLEM, orders["sent_back"].to_numpy(float), orders["prediction"].to_numpy())
    assert quality is not None
    assert quality.skill is not None
    return quality.calibration_gap, quality.skill


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc", "average_precision"])
def test_the_base_rate_has_no_skill_and_the_truth_all_of_it(metric: str) -> None:
    problem = PROBLEM.model_copy(update={"primary_metric": metric})
    label = (np.arange(1_000) < 230).astype(float)

    base = measure_quality(problem, label, np.full(1_000, 0.23))
    truth = measure_quality(problem, label, label)

    assert base is not None
    assert truth is not None
    assert base.skill == pytest.approx(0.0, abs=1e-3)
    assert truth.skill == pytest.approx(1.0, abs=1e-3)


def test_a_blurred_model_loses_skill() -> None:
    _, good = measure_orders()
    _, blurred = measure_orders(noise=1.5)

    assert good - blurred > POLICY.skill_drop


def test_a_label_that_becomes_more_frequent_opens_the_calibration_gap() -> None:
    before, _ = measure_orders()
    after, _ = measure_orders(worse=1.0)

    assert before < POLICY.calibration_gap < after


def test_a_regression_gap_is_in_label_standard_deviations() -> None:
    label = np.random.default_rng(0).normal(100, 20, 5_000)

    quality = measure_quality(REGRESSION, label, label + 10)

    assert quality is not None
    assert quality.calibration_gap == pytest.approx(0.5, abs=0.02)
    assert quality.skill == pytest.approx(quality.metrics["r2"])


@pytest.mark.parametrize("problem", [PROBLEM, REGRESSION])
def test_a_constant_label_shows_no_skill(problem: Problem) -> None:
    quality = measure_quality(problem, np.ones(50), np.linspace(0.2, 0.9, 50))

    assert quality is not None
    assert quality.skill in (None, 0.0)
    assert all(np.isfinite(value) for value in quality.metrics.values())


def test_no_label_is_no_quality() -> None:
    assert measure_quality(PROBLEM, np.array([]), np.array([])) is None
