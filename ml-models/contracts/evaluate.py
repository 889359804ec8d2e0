"""Measure predictions against labels: overall and per slice."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from contracts.metrics import Floats, metrics_of
from contracts.problem import Task

SLICE_MINIMUM = 100
SLICE_VALUES = 12

Metrics = dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one window; `slices` maps column, then value, to metrics."""

    overall: Metrics
    slices: dict[str, dict[str, Metrics]]


def compute_metrics(task: Task, label: Floats, prediction: Floats) -> Metrics:
    """Return every metric of the task for labels (N,) and predictions (N,); NaN where one is undefined."""
    return {name: metric.compute(label, prediction) for name, metric in metrics_of(task).items()}


def evaluate(
    task: Task, frame: pd.DataFrame, label: Floats, prediction: Floats, slices: Sequence[str] = ()
) -> Evaluation:
    """Measure overall and, for each column in `slices`, per value.

    Per column the `SLICE_VALUES` most frequent values that have at least `SLICE_MINIMUM` rows are measured.
    """
    return Evaluation(
        overall=compute_metrics(task, label, prediction),
        slices={column: _per_value(task, frame[column], label, prediction) for column in slices},
    )


def _per_value(task: Task, values: pd.Series, label: Floats, prediction: Floats) -> dict[str, Metrics]:
    counts = values.value_counts().head(SLICE_VALUES)
    measured = {}
    for value in counts[counts >= SLICE_MINIMUM].index:
        rows = (values == value).to_numpy()
        measured[str(value)] = {
            "rows": float(rows.sum()),
            **compute_metrics(task, label[rows], prediction[rows]),
        }
    return measured
