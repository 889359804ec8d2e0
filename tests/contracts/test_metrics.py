"""Metrics: known values, directions, and slices with too few rows left out."""

import numpy as np
import pandas as pd
import pytest

from contracts.errors import UnknownMetricError
from contracts.evaluate import SLICE_MINIMUM, compute_metrics, evaluate
from contracts.metrics import BINARY, REGRESSION, calibration_error, improvement, require_comparable
from contracts.problem import Task

LABEL = np.array([0.0, 0.0, 1.0, 1.0])
PREDICTION = np.array([0.1, 0.4, 0.35, 0.8])


def test_binary_metrics_are_the_ones_that_are_named() -> None:
    metrics = compute_metrics("binary", LABEL, PREDICTION)
    assert set(metrics) == set(BINARY)
    assert metrics["roc_auc"] == 0.75
    assert metrics["accuracy"] == 0.75
    assert metrics["precision"] == 1.0
    assert metrics["recall"] == 0.5
    assert metrics["f1"] == pytest.approx(2 / 3)
    assert metrics["brier"] == pytest.approx(np.mean((PREDICTION - LABEL) ** 2))
    assert metrics["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.6, 0.35, 0.8])))
    assert (metrics["base_rate"], metrics["mean_prediction"]) == (0.5, pytest.approx(0.4125))  # type: ignore[comparison-overlap]


def test_regression_metrics_are_the_ones_that_are_named() -> None:
    metrics = compute_metrics("regression", np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]))
    assert set(metrics) == set(REGRESSION)
    assert metrics["mae"] == metrics["bias"] == 1.0
    assert metrics["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert metrics["r2"] == pytest.approx(1 - 5 / 2)


def test_calibration_error_weighs_bins_by_their_rows() -> None:
    # given three rows predicted 0.25 of which one is positive, and one row predicted 1 that is
    label, prediction = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.25, 0.25, 0.25, 1.0])
    # then only the first bin is off, by a twelfth, and holds three quarters of the rows
    assert calibration_error(label, prediction) == pytest.approx(3 / 4 * (1 / 3 - 1 / 4))


def test_what_one_class_leaves_undefined_is_not_a_number() -> None:
    metrics = compute_metrics("binary", np.zeros(3), np.array([0.1, 0.2, 0.9]))
    assert np.isnan(metrics["roc_auc"])
    assert np.isfinite(metrics["log_loss"])


@pytest.mark.parametrize(
    ("task", "name", "challenger", "champion", "gain"),
    [
        ("binary", "roc_auc", 0.8, 0.7, 0.1),
        ("binary", "log_loss", 0.4, 0.5, 0.1),
        ("regression", "r2", 0.1, 0.3, -0.2),
        ("regression", "bias", -0.5, 2.0, 1.5),
    ],
)
def test_improvement_follows_the_direction(
    task: Task, name: str, challenger: float, champion: float, gain: float
) -> None:
    assert improvement(task, name, challenger, champion) == pytest.approx(gain)


@pytest.mark.parametrize("name", ["rmse", "base_rate", "luck"])
def test_a_metric_without_direction_cannot_judge(name: str) -> None:
    with pytest.raises(UnknownMetricError, match=name):
        require_comparable("binary", name)


def test_slices_need_enough_rows() -> None:
    # given a large slice and one that is a row short of the minimum
    sizes = {"large": SLICE_MINIMUM, "small": SLICE_MINIMUM - 1}
    frame = pd.DataFrame({"kind": np.repeat(list(sizes), list(sizes.values()))})
    label = np.arange(len(frame), dtype=np.float64) % 2
    # when they are evaluated
    evaluation = evaluate("binary", frame, label, np.full(len(frame), 0.5), ["kind"])
    # then only the large one is measured
    assert list(evaluation.slices["kind"]) == ["large"]
    assert evaluation.slices["kind"]["large"]["rows"] == SLICE_MINIMUM
    assert evaluation.overall["accuracy"] == pytest.approx(label.mean())
