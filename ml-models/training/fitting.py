"""Fit the candidates, calibrate them, and choose the challenger among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from contracts.evaluate import Evaluation, evaluate
from contracts.matrix import FeatureMatrix, to_matrix
from contracts.metrics import improvement, require_comparable
from contracts.problem import Problem
from training.dataset import TrainingSet, require_both_classes
from training.errors import TrainingError
from training.estimators.base import Dataset, Estimator, FittedModel
from training.splits import WINDOW_NAMES, WindowName, divide


@dataclass(frozen=True)
class WindowedData:
    """The training set divided: positions in its frame, and rows with labels, per window."""

    training_set: TrainingSet
    matrix: FeatureMatrix
    rows: Mapping[WindowName, slice]
    data: Mapping[WindowName, Dataset]


@dataclass(frozen=True)
class Candidate:
    """A fitted, calibrated model; `evaluation` is on the calibration window."""

    model: FittedModel
    evaluation: Evaluation


def load_candidates(path: str) -> Sequence[Estimator]:
    """Load the estimators that `package.module:NAME` points at.

    Raises:
        TrainingError: there is nothing at the path, or an empty sequence.
    """
    module, _, name = path.partition(":")
    try:
        candidates: Sequence[Estimator] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrainingError(
            f"no candidates at {path!r}; write it as 'package.module:NAME' ({error})"
        ) from error
    if not candidates:
        raise TrainingError(f"{path!r} names no estimator; list at least one")
    return candidates


def divide_into_windows(training_set: TrainingSet, problem: Problem) -> WindowedData:
    """Divide the rows by the problem's windows.

    Raises:
        EmptyWindowError: a window has too few rows.
        SingleClassError: a binary problem's window holds only one class.
    """
    matrix = to_matrix(training_set.frame, training_set.columns)
    rows = divide(training_set.instants, problem.windows, training_set.as_of)
    data = {name: Dataset(matrix.rows(span), training_set.label[span]) for name, span in rows.items()}
    if problem.task == "binary":
        for name in WINDOW_NAMES:
            require_both_classes(data[name].label, f"{name} window")
    return WindowedData(training_set, matrix, rows, data)


def shuffle_training_labels(windowed: WindowedData, seed: int) -> WindowedData:
    """Shuffle the labels within each window that is learned from; those of the gate window stay true."""
    generator = np.random.default_rng(seed)
    shuffled = {
        name: data if name == "gate" else Dataset(data.matrix, generator.permutation(data.label))
        for name, data in windowed.data.items()
    }
    return WindowedData(windowed.training_set, windowed.matrix, windowed.rows, shuffled)


def fit_candidate(estimator: Estimator, windowed: WindowedData, seed: int) -> FittedModel:
    """Fit one family on the fit window, stopped early on the next."""
    columns = windowed.training_set.columns
    return estimator.fit(windowed.data["fit"], windowed.data["early_stopping"], columns, seed)


def calibrate_candidate(model: FittedModel, windowed: WindowedData, problem: Problem) -> Candidate:
    """Calibrate on the calibration window and measure there."""
    calibration = windowed.data["calibration"]
    calibrated = model.calibrate(calibration)
    frame = windowed.training_set.frame.iloc[windowed.rows["calibration"]]
    prediction = calibrated.predict(calibration.matrix)
    return Candidate(calibrated, evaluate(problem.task, frame, calibration.label, prediction, problem.slices))


def rank_candidates(candidates: Sequence[Candidate], problem: Problem) -> list[Candidate]:
    """Return the candidates, best first on the primary metric before the gate window; equals as they came.

    Raises:
        UnknownMetricError: the primary metric cannot be compared.
    """
    name = problem.primary_metric
    require_comparable(problem.task, name)

    def shortfall(candidate: Candidate) -> float:
        worse_by = -improvement(problem.task, name, candidate.evaluation.overall[name], 0.0)
        return float(np.nan_to_num(worse_by, nan=np.inf, posinf=np.inf, neginf=-np.inf))

    return sorted(candidates, key=shortfall)
