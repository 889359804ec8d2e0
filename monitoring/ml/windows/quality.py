"""How well the labelled predictions of a window fit: metrics, calibration gap, skill over the base rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.evaluate import compute_metrics
from contracts.metrics import metrics_of
from contracts.problem import Problem, Task

Values = npt.NDArray[np.float64]
SYNTHETIC_ROWS: Final = 10_000


@dataclass(frozen=True)
class Quality:
    """What `labelled` predictions show; undefined metrics are left out.

    `calibration_gap` is |mean prediction - label mean| for a binary problem, that gap in standard deviations
    of the label for a regression. `skill` is None where the window cannot show any (one class, say).
    """

    labelled: int
    metrics: dict[str, float]
    calibration_gap: float
    skill: float | None


def measure_quality(problem: Problem, label: Values, prediction: Values) -> Quality | None:
    """Measure predictions against labels, both (N,); None when there is none."""
    if not len(label):
        return None
    metrics = compute_metrics(problem.task, label, prediction)
    return Quality(
        labelled=len(label),
        metrics={name: value for name, value in metrics.items() if isfinite(value)},
        calibration_gap=calibration_gap(problem.task, label, prediction),
        skill=measure_skill(problem, metrics),
    )


def calibration_gap(task: Task, label: Values, prediction: Values) -> float:
    """How far the mean prediction is from the label mean; a regression's in label standard deviations."""
    gap = abs(float(prediction.mean()) - float(label.mean()))
    if task == "binary":
        return gap
    spread = float(label.std())
    return gap / spread if spread else 0.0


def measure_skill(problem: Problem, metrics: Mapping[str, float]) -> float | None:
    """Share of the way from the base rate to perfection that the model covers: 1 is perfect, 0 no better.

    A binary problem is measured by its primary metric, a regression by R². The base rate is that of the
    measured rows themselves, so that a harder window is not taken for a worse model (a skill score: Murphy,
    Monthly Weather Review, 1988). None where the metrics do not define it.
    """
    if problem.task == "regression":
        return _finite(metrics.get("r2"))
    value, rate = _finite(metrics.get(problem.primary_metric)), _finite(metrics.get("base_rate"))
    if value is None or rate is None or not 0 < rate < 1:
        return None
    perfect = 0.0 if metrics_of(problem.task)[problem.primary_metric].direction == "lower" else 1.0
    base = _metric_of_base_rate(problem.primary_metric, rate)
    return None if base == perfect else (value - base) / (perfect - base)


def _metric_of_base_rate(metric: str, rate: float) -> float:
    """The metric of predicting `rate` for everyone, when `rate` of the labels are positive."""
    label = (np.arange(SYNTHETIC_ROWS) < rate * SYNTHETIC_ROWS).astype(np.float64)
    return metrics_of("binary")[metric].compute(label, np.full(SYNTHETIC_ROWS, rate))


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
