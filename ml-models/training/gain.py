"""By how much one model beats another on a window, and how sure that is when whole days are what varies."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict
from scipy.special import stdtr, stdtrit

from contracts.metrics import Floats, improvement, metrics_of
from contracts.problem import Task

Days = npt.NDArray[np.int64]

LEVEL: Final = 0.95
DAY: Final = timedelta(days=1)


class Gain(BaseModel):
    """By how much the challenger is better, in the metric's unit; below zero it is worse.

    `low` to `high` is the 95 % interval and `probability` that of any gain at all, both over `days`. They are
    None where days cannot tell: there are fewer than two, or the metric is undefined without one of them.
    """

    model_config = ConfigDict(frozen=True)

    point: float
    low: float | None = None
    high: float | None = None
    probability: float | None = None
    days: int

    def describe(self) -> str:
        """The gain in words, with its interval where there is one."""
        said = f"better by {self.point:.4f}"
        if self.probability is None:
            return said
        return (
            f"{said} (95 %: {self.low:.4f} to {self.high:.4f}, probability of a gain {self.probability:.2f})"
        )


def number_days(instants: pd.Series, start: datetime) -> Days:
    """The day of each instant (N,), counted from `start` in steps of 24 hours."""
    return np.asarray((instants - pd.Timestamp(start)) // DAY, dtype=np.int64)


def measure_gain(
    task: Task, metric: str, label: Floats, challenger: Floats, rival: Floats, days: Days
) -> Gain:
    """Compare two models' predictions (N,) of the same labels (N,).

    Rows of one day share their weather and their queues, so that days and not rows are independent: each is
    left out once, and the spread of what remains has Student's t with one degree of freedom less than there
    are days. It is the jackknife of clusters, which holds with few of them (MacKinnon, Nielsen and Webb,
    "Fast and reliable jackknife and bootstrap methods for cluster-robust inference", Journal of Applied
    Econometrics 38, 2023).
    """
    compute = metrics_of(task)[metric].compute

    def gain(rows: npt.NDArray[np.bool_]) -> float:
        mine, theirs = (compute(label[rows], prediction[rows]) for prediction in (challenger, rival))
        return improvement(task, metric, mine, theirs)

    point, numbers = gain(np.ones(len(label), dtype=bool)), np.unique(days)
    error = _jackknife_error(gain, days, numbers, point) if len(numbers) > 1 else math.nan
    if not math.isfinite(error):
        return Gain(point=point, days=len(numbers))
    freedom = len(numbers) - 1
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    probability = float(stdtr(freedom, point / error)) if error else float(point > 0)
    return Gain(
        point=point, low=point - reach, high=point + reach, probability=probability, days=len(numbers)
    )


def _jackknife_error(
    gain: Callable[[npt.NDArray[np.bool_]], float], days: Days, numbers: Days, point: float
) -> float:
    """The standard error of the gain, from the gains without each day."""
    without = np.array([gain(days != number) for number in numbers])
    return float(np.sqrt((1 - 1 / len(numbers)) * np.sum((without - point) ** 2)))
