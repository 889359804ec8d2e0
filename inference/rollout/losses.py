"""The loss of one labelled prediction, cut off and scaled to [0, 1]: what the sequential tests compare."""

from collections.abc import Callable, Mapping
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.problem import Problem
from inference.rollout.errors import BadPolicyError
from inference.rollout.policy import Metric

Floats = npt.NDArray[np.float64]
PROBABILITY_CLIP: Final = 0.01
TYPICAL_LOSSES: Final = 9.0

# A problem's primary metric need not be a mean over labels; each is judged by the loss that it stands for.
BINARY: Final[Mapping[str, Metric]] = {"brier": "brier", "calibration_error": "brier"}
REGRESSION: Final[Mapping[str, Metric]] = {"mae": "absolute_error"}
TYPICAL: Final[Mapping[Metric, tuple[str, int]]] = {
    "squared_error": ("rmse", 2),
    "absolute_error": ("mae", 1),
}


def metric_of(problem: Problem) -> Metric:
    """The loss per label by which rollouts of this problem are judged."""
    if problem.task == "binary":
        return BINARY.get(problem.primary_metric, "log_loss")
    return REGRESSION.get(problem.primary_metric, "squared_error")


def cap_of(metric: Metric, champion: Mapping[str, float]) -> float:
    """Where a loss is cut off: a regression's at `TYPICAL_LOSSES` times the champion's mean loss at its gate.

    Raises:
        BadPolicyError: the champion's metrics do not say how large its losses are.
    """
    if metric in ("log_loss", "brier"):
        return -log(PROBABILITY_CLIP) if metric == "log_loss" else 1.0
    name, power = TYPICAL[metric]
    typical = champion.get(name, 0.0) ** power
    if not typical > 0:
        raise BadPolicyError(
            f"the champion's bundle does not say its {name}; give the cap with --set loss_cap=NUMBER"
        )
    return float(TYPICAL_LOSSES * typical)


def scaled_loss(metric: Metric, cap: float, label: Floats, prediction: Floats) -> Floats:
    """The loss of each prediction (N,) of `label` (N,), in [0, 1]: 1 is `cap` or more."""
    return np.minimum(LOSSES[metric](label, prediction) / cap, 1.0)


def _log_loss(label: Floats, prediction: Floats) -> Floats:
    hit = np.where(label > 0.5, prediction, 1 - prediction)
    losses: Floats = -np.log(np.clip(hit, PROBABILITY_CLIP, 1.0))
    return losses


def _squared_error(label: Floats, prediction: Floats) -> Floats:
    return np.square(prediction - label)


LOSSES: Final[Mapping[Metric, Callable[[Floats, Floats], Floats]]] = {
    "log_loss": _log_loss,
    "brier": _squared_error,
    "squared_error": _squared_error,
    "absolute_error": lambda label, prediction: np.abs(prediction - label),
}
