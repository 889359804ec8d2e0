"""Time-ordered windows to rank features on: each is judged by a model of what was known before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.evaluate import compute_metrics
from contracts.matrix import FeatureMatrix, names_of, to_matrix
from contracts.problem import Problem
from features.schema.feature_column import FeatureColumn
from training.dataset import TrainingSet, require_both_classes
from training.errors import EmptyWindowError, RankingError
from training.estimators.base import Dataset, Estimator, FittedModel
from training.fitting import load_candidates
from training.ranking.data import RankingData
from training.ranking.importance import WindowImportance, permutation_importance
from training.splits import TimeRange, WindowName, rows_within, window_ranges

FAMILY = "xgboost"
PROBES = 5
REPEATS = 2


@dataclass(frozen=True)
class RankingWindow:
    """One window to judge on ("gate") and, before it, what to learn from; no model sees the former."""

    span: TimeRange
    parts: Mapping[WindowName, Dataset]
    columns: tuple[FeatureColumn, ...]

    @property
    def held(self) -> Dataset:
        """The rows to judge on."""
        return self.parts["gate"]

    def without(self, names: Sequence[str]) -> "RankingWindow":
        """The same rows without some columns."""
        kept = tuple(column for column in self.columns if column.name not in names)
        places = {kind: _places(self.columns, kind, names) for kind in ("categorical", "numeric")}
        return RankingWindow(
            self.span, {name: _select(part, places) for name, part in self.parts.items()}, kept
        )

    def with_probes(self, generator: np.random.Generator) -> "RankingWindow":
        """The same rows with `PROBES` random columns, which no label can depend on."""
        probes = tuple(FeatureColumn(name=f"__probe_{i}", kind="numeric") for i in range(PROBES))
        noisy = {name: _with_noise(part, generator) for name, part in self.parts.items()}
        return RankingWindow(self.span, noisy, self.columns + probes)


def window_ends(problem: Problem, as_of: datetime, windows: int) -> list[datetime]:
    """Return the ends of `windows` consecutive windows before the newest one, newest first.

    The newest window, which ends at `as_of`, is kept back: what the others propose is confirmed on it.
    """
    return [as_of - number * problem.windows.gate for number in range(1, windows + 1)]


def cut_window(data: RankingData, problem: Problem, end: datetime) -> RankingWindow:
    """Cut out the window that ends at `end` (UTC) and, to learn from, what was known when it began.

    Raises:
        EmptyWindowError: nothing to learn from or to judge on.
        SingleClassError: a binary problem's window holds one class only.
    """
    ranges = window_ranges(problem.windows, end)
    known = (data.training_set.frame["known_at"] <= pd.Timestamp(ranges.gate.start)).to_numpy()
    usable = {"fit": known & data.drawn, "early_stopping": known, "calibration": known}
    parts = {name: _cut(data.training_set, span, usable.get(name)) for name, span in ranges}
    for name, part in parts.items():
        _require_use(part, name, end, problem)
    return RankingWindow(ranges.gate, parts, data.training_set.columns)


def cheap_estimator(problem: Problem, family: str = FAMILY) -> Estimator:
    """Return the problem's own candidate of a family.

    Raises:
        RankingError: it has none.
    """
    candidates = {estimator.family: estimator for estimator in load_candidates(problem.candidates)}
    if family not in candidates:
        raise RankingError(f"{problem.name} has no candidate {family!r}; choose one of {sorted(candidates)}")
    return candidates[family]


def judge_window(
    window: RankingWindow, problem: Problem, estimator: Estimator, seed: int, repeats: int = REPEATS
) -> WindowImportance:
    """Fit on what came before the window, with random columns beside the features, and shuffle each in it."""
    generator = np.random.default_rng(seed)
    probed = window.with_probes(generator)
    model = _fit(probed, estimator, seed)
    metric, importance = permutation_importance(
        model, probed.held, probed.columns, problem, repeats, generator
    )
    features = {column.name for column in window.columns}
    noise = max(value for name, value in importance.items() if name not in features)
    return WindowImportance(
        start=window.span.start.isoformat(),
        rows=len(window.held),
        metric=metric,
        noise=max(noise, 0.0),
        importance={name: value for name, value in importance.items() if name in features},
    )


def measure_window(window: RankingWindow, problem: Problem, estimator: Estimator, seed: int) -> float:
    """Fit on what came before the window and return the primary metric in it."""
    prediction = _fit(window, estimator, seed).predict(window.held.matrix)
    return compute_metrics(problem.task, window.held.label, prediction)[problem.primary_metric]


def _fit(window: RankingWindow, estimator: Estimator, seed: int) -> FittedModel:
    parts = window.parts
    model = estimator.fit(parts["fit"], parts["early_stopping"], window.columns, seed)
    return model.calibrate(parts["calibration"])


def _cut(training_set: TrainingSet, span: TimeRange, usable: npt.NDArray[np.bool_] | None) -> Dataset:
    rows = rows_within(training_set.instants, span)
    places = np.arange(rows.start, rows.stop)
    if usable is not None:
        places = places[usable[places]]
    frame = training_set.frame.iloc[places]
    return Dataset(to_matrix(frame, training_set.columns), training_set.label[places])


def _require_use(part: Dataset, name: str, end: datetime, problem: Problem) -> None:
    needed = problem.windows.minimum_rows if name == "fit" else 1
    if len(part) < needed:
        raise EmptyWindowError(
            f"the {name} window before {end.isoformat()} holds {len(part)} known examples, needs {needed}; "
            "rank at a later --as-of, or over fewer --windows"
        )
    if problem.task == "binary":
        require_both_classes(part.label, f"{name} window before {end.isoformat()}")


def _places(columns: Sequence[FeatureColumn], kind: str, without: Sequence[str]) -> list[int]:
    return [i for i, name in enumerate(names_of(columns, kind)) if name not in without]


def _select(data: Dataset, places: dict[str, list[int]]) -> Dataset:
    matrix = FeatureMatrix(
        data.matrix.categorical[:, places["categorical"]], data.matrix.numeric[:, places["numeric"]]
    )
    return Dataset(matrix, data.label)


def _with_noise(data: Dataset, generator: np.random.Generator) -> Dataset:
    noise = generator.standard_normal((len(data), PROBES), dtype=np.float32)
    matrix = FeatureMatrix(data.matrix.categorical, np.concatenate([data.matrix.numeric, noise], axis=1))
    return Dataset(matrix, data.label)
