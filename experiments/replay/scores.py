"""What the replay measured: per month, served against frozen on the same examples, with paired intervals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.evaluate import compute_metrics
from contracts.problem import Problem, Task

Array = npt.NDArray[np.float64]
RESAMPLES = 2_000
SHOWN: dict[Task, tuple[str, str, str]] = {
    "binary": ("roc_auc", "log_loss", "calibration_error"),
    "regression": ("r2", "rmse", "bias"),
}


@dataclass(frozen=True)
class Interval:
    """A mean difference (served minus frozen loss; below zero is better) with its 95 % interval."""

    mean: float
    low: float
    high: float


def example_loss(task: Task, label: Array, prediction: Array) -> Array:
    """The loss of each example, shape (N,): log loss (binary) or squared error (regression)."""
    if task == "regression":
        return (label - prediction) ** 2
    chance = np.clip(prediction, 1e-7, 1 - 1e-7)
    return -(label * np.log(chance) + (1 - label) * np.log1p(-chance))


def paired_interval(difference: pd.Series, days: pd.Series, seed: int) -> Interval:
    """A paired bootstrap by day of a mean difference, shape (N,).

    Examples of one day share their weather and their queues, so whole days are resampled (the cluster
    bootstrap of Cameron, Gelbach and Miller, 2008).
    """
    by_day = difference.groupby(days.to_numpy()).agg(["sum", "count"])
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(by_day), size=(RESAMPLES, len(by_day)))
    means = by_day["sum"].to_numpy()[draws].sum(axis=1) / by_day["count"].to_numpy()[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(difference.mean()), float(low), float(high))


def running_base_rate(labels: pd.DataFrame, name: str, week_starts: pd.Series) -> dict[pd.Timestamp, float]:
    """The mean of all labels known when each week starts: what one would answer without a model."""
    known = labels.sort_values("known_at")
    means = known[name].astype(float).expanding().mean().to_numpy()
    positions = np.searchsorted(known["known_at"].to_numpy(), week_starts.to_numpy(), side="right") - 1
    return dict(zip(week_starts, means[positions], strict=True))


@dataclass(frozen=True)
class MonthScore:
    """One month of the replay; metrics are named as in training, losses are means over the same examples."""

    month: str
    examples: int
    online: int
    bulk: int
    label_rate: float
    mean_prediction: float
    served: dict[str, float]
    served_online: dict[str, float]
    served_bulk: dict[str, float]
    frozen: dict[str, float]
    frozen_mean_prediction: float
    base_rate: dict[str, float]
    gain: Interval
    versions: tuple[str, ...]


def score_months(problem: Problem, scored: pd.DataFrame, seed: int) -> list[MonthScore]:
    """Score each calendar month (UTC) of labelled predictions.

    `scored` has one row per labelled example: event_timestamp, label, prediction, frozen, base_rate, online,
    version.
    """
    month = scored["event_timestamp"].dt.strftime("%Y-%m")
    return [_score_month(problem, str(name), part, seed) for name, part in scored.groupby(month, sort=True)]


def _score_month(problem: Problem, name: str, part: pd.DataFrame, seed: int) -> MonthScore:
    losses = {who: _loss(problem, part, who) for who in ("prediction", "frozen")}
    gain = pd.Series(losses["prediction"] - losses["frozen"])
    online = part["online"].to_numpy(dtype=bool)
    return MonthScore(
        month=name,
        examples=len(part),
        online=int(online.sum()),
        bulk=int((~online).sum()),
        label_rate=float(part["label"].mean()),
        mean_prediction=float(part["prediction"].mean()),
        served=_metrics(problem, part, "prediction"),
        served_online=_metrics(problem, part[online], "prediction"),
        served_bulk=_metrics(problem, part[~online], "prediction"),
        frozen=_metrics(problem, part, "frozen"),
        frozen_mean_prediction=float(part["frozen"].mean()),
        base_rate=_metrics(problem, part, "base_rate"),
        gain=paired_interval(gain, part["event_timestamp"].dt.floor("D"), seed),
        versions=tuple(dict.fromkeys(part.sort_values("event_timestamp")["version"])),
    )


def _loss(problem: Problem, part: pd.DataFrame, who: str) -> Array:
    return example_loss(problem.task, part["label"].to_numpy(dtype=float), part[who].to_numpy(dtype=float))


def _metrics(problem: Problem, part: pd.DataFrame, who: str) -> dict[str, float]:
    label, prediction = part["label"].to_numpy(dtype=float), part[who].to_numpy(dtype=float)
    return dict(compute_metrics(problem.task, label, prediction))
