"""Which features a model needs: permutation importance per window, its stability, and what could go."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from contracts.evaluate import compute_metrics
from contracts.matrix import FeatureMatrix
from contracts.metrics import improvement
from contracts.problem import Problem
from features.schema.feature_column import FeatureColumn
from training.estimators.base import Dataset, FittedModel

PROBE = "random column"
Advice = Literal["keep", "drop"]


class RankingPart(BaseModel):
    """Base of the ranking's parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowImportance(RankingPart):
    """How much worse the primary metric gets in one window when a feature's values are shuffled.

    Positive: the model needs the feature. `noise` is the most that shuffling a random column cost, which the
    model was trained with: nothing below it can be told from chance.
    """

    start: str
    rows: int
    metric: float
    noise: float
    importance: dict[str, float]


class RankedFeature(RankingPart):
    """One feature's importance over the windows; `rank` 1 is the most important.

    `beyond_noise` is the share of windows in which shuffling it hurts more than chance, `hurts` the share in
    which it hurts at all. `moved` is by how many places it rose since the last ranking, None if it is new.
    """

    rank: int
    name: str
    kind: str
    mean: float
    std: float
    hurts: float
    beyond_noise: float
    windows: tuple[float, ...]
    advice: Advice
    reason: str
    moved: int | None = None


def permutation_importance(
    model: FittedModel,
    data: Dataset,
    columns: Sequence[FeatureColumn],
    problem: Problem,
    repeats: int,
    generator: np.random.Generator,
) -> tuple[float, dict[str, float]]:
    """Return the metric on `data`, and by how much shuffling each column makes it worse (mean of `repeats`).

    Shuffling a column breaks its tie with the label and with the other columns (Breiman, Machine Learning
    45, 2001); the model is fitted once and must not have seen `data`.
    """
    matrix = FeatureMatrix(data.matrix.categorical.copy(), data.matrix.numeric.copy())
    whole = _measure(model, matrix, data, problem)
    importance = {}
    for column, position in _positions(columns):
        values = (matrix.categorical if column.kind == "categorical" else matrix.numeric)[:, position]
        kept = values.copy()
        costs = []
        for _ in range(repeats):
            values[:] = generator.permutation(kept)
            costs.append(_worse(problem, whole, _measure(model, matrix, data, problem)))
        values[:] = kept
        importance[column.name] = float(np.mean(costs))
    return whole, importance


def rank_features(
    columns: Sequence[FeatureColumn],
    windows: Sequence[WindowImportance],
    previous: Mapping[str, int] | None = None,
) -> list[RankedFeature]:
    """Order the features by mean importance and advise on each; `previous` has the last ranking's ranks."""
    kinds = {column.name: column.kind for column in columns}
    by_mean = sorted(kinds, key=lambda name: (-_mean(windows, name), name))
    return [
        _rank_feature(rank, name, kinds[name], windows, (previous or {}).get(name))
        for rank, name in enumerate(by_mean, start=1)
    ]


def proposed_drops(ranking: Sequence[RankedFeature]) -> list[str]:
    """The features that the ranking advises to drop, least important first."""
    return [feature.name for feature in reversed(ranking) if feature.advice == "drop"]


def _rank_feature(
    rank: int, name: str, kind: str, windows: Sequence[WindowImportance], previous: int | None
) -> RankedFeature:
    values = np.array([window.importance[name] for window in windows])
    noise = np.array([window.noise for window in windows])
    beyond = float(np.mean(values > noise))
    advice, reason = _advise(values, beyond, noise)
    return RankedFeature(
        rank=rank,
        name=name,
        kind=kind,
        mean=float(values.mean()),
        std=float(values.std()),
        hurts=float(np.mean(values > 0)),
        beyond_noise=beyond,
        windows=tuple(values.tolist()),
        advice=advice,
        reason=reason,
        moved=None if previous is None else previous - rank,
    )


def _advise(values: np.ndarray, beyond: float, noise: np.ndarray) -> tuple[Advice, str]:
    if not values.any():
        return "drop", "the model never uses it"
    if beyond == 0 and values.mean() <= 0:
        return "drop", f"shuffling it helps: {values.mean():+.2g} on average"
    if beyond == 0:
        return "drop", f"never costs more than a {PROBE} ({noise.mean():.2g})"
    if beyond < 1 and values.mean() <= noise.mean():
        return "drop", f"beyond chance in {beyond:.0%} of windows only, below it on average"
    return "keep", f"beyond chance in {beyond:.0%} of the windows"


def _measure(model: FittedModel, matrix: FeatureMatrix, data: Dataset, problem: Problem) -> float:
    metrics = compute_metrics(problem.task, data.label, model.predict(matrix))
    return metrics[problem.primary_metric]


def _worse(problem: Problem, whole: float, shuffled: float) -> float:
    return improvement(problem.task, problem.primary_metric, whole, shuffled)


def _mean(windows: Sequence[WindowImportance], name: str) -> float:
    return float(np.mean([window.importance[name] for window in windows]))


def _positions(columns: Sequence[FeatureColumn]) -> list[tuple[FeatureColumn, int]]:
    seen = {"categorical": 0, "numeric": 0}
    positions = []
    for column in columns:
        positions.append((column, seen[column.kind]))
        seen[column.kind] += 1
    return positions
