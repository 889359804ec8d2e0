"""Metrics by task: how each is computed, and in which direction it is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from contracts.errors import UnknownMetricError
from contracts.problem import Task

Floats = npt.NDArray[np.float64]
Direction = Literal["higher", "lower", "nearer_zero", "none"]

THRESHOLD = 0.5
CALIBRATION_BINS = 10
CLIP = 1e-7


@dataclass(frozen=True)
class Metric:
    """A metric of labels (N,) and predictions (N,), and where it is better."""

    compute: Callable[[Floats, Floats], float]
    direction: Direction


def calibration_error(label: Floats, prediction: Floats) -> float:
    """Return the expected calibration error of probabilities, in [0, 1].

    The mean over `CALIBRATION_BINS` bins of equal width of |mean label - mean prediction|, weighted by the
    bin's share of rows (Naeini et al., AAAI 2015; Guo et al., ICML 2017).
    """
    bins = np.minimum((prediction * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=label - prediction, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(label))


def _on_classes(score: Callable[..., float]) -> Callable[[Floats, Floats], float]:
    def compute(label: Floats, prediction: Floats) -> float:
        return float(score(label, prediction >= THRESHOLD, zero_division=0.0))

    return compute


def _needing_both_classes(score: Callable[..., float]) -> Callable[[Floats, Floats], float]:
    def compute(label: Floats, prediction: Floats) -> float:
        return float(score(label, prediction)) if len(np.unique(label)) == 2 else float("nan")

    return compute


def _accuracy(label: Floats, prediction: Floats) -> float:
    return float(sk.accuracy_score(label, prediction >= THRESHOLD))


def _log_loss(label: Floats, prediction: Floats) -> float:
    return float(sk.log_loss(label, np.clip(prediction, CLIP, 1 - CLIP), labels=[0, 1]))


def _r2(label: Floats, prediction: Floats) -> float:
    return float(sk.r2_score(label, prediction)) if len(label) > 1 else float("nan")


def _mean_label(label: Floats, prediction: Floats) -> float:  # noqa: ARG001 - one signature for every metric
    return float(label.mean())


def _mean_prediction(label: Floats, prediction: Floats) -> float:  # noqa: ARG001 - as above
    return float(prediction.mean())


BINARY: Mapping[str, Metric] = {
    "accuracy": Metric(_accuracy, "higher"),
    "precision": Metric(_on_classes(sk.precision_score), "higher"),
    "recall": Metric(_on_classes(sk.recall_score), "higher"),
    "f1": Metric(_on_classes(sk.f1_score), "higher"),
    "roc_auc": Metric(_needing_both_classes(sk.roc_auc_score), "higher"),
    "average_precision": Metric(_needing_both_classes(sk.average_precision_score), "higher"),
    "log_loss": Metric(_log_loss, "lower"),
    "brier": Metric(lambda label, prediction: float(np.mean((prediction - label) ** 2)), "lower"),
    "calibration_error": Metric(calibration_error, "lower"),
    "mean_prediction": Metric(_mean_prediction, "none"),
    "base_rate": Metric(_mean_label, "none"),
}
REGRESSION: Mapping[str, Metric] = {
    "rmse": Metric(lambda label, prediction: float(sk.root_mean_squared_error(label, prediction)), "lower"),
    "mae": Metric(lambda label, prediction: float(sk.mean_absolute_error(label, prediction)), "lower"),
    "r2": Metric(_r2, "higher"),
    "bias": Metric(lambda label, prediction: float(np.mean(prediction - label)), "nearer_zero"),
    "mean_prediction": Metric(_mean_prediction, "none"),
    "mean_label": Metric(_mean_label, "none"),
}


def metrics_of(task: Task) -> Mapping[str, Metric]:
    """Return the metrics of a task by name."""
    return BINARY if task == "binary" else REGRESSION


def require_comparable(task: Task, name: str) -> None:
    """Check that the task has a metric `name` that is better in some direction.

    Raises:
        UnknownMetricError: it has not.
    """
    comparable = [key for key, metric in metrics_of(task).items() if metric.direction != "none"]
    if name not in comparable:
        raise UnknownMetricError(f"a {task} problem cannot be judged by {name!r}; choose one of {comparable}")


def improvement(task: Task, name: str, challenger: float, champion: float) -> float:
    """Return by how much the challenger is better; negative when it is worse, in the metric's unit."""
    direction = metrics_of(task)[name].direction
    if direction == "nearer_zero":
        return abs(champion) - abs(challenger)
    return challenger - champion if direction == "higher" else champion - challenger
