"""Does the exported graph answer as the native model does? Compared on rows made to find a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from contracts.bundle.scorer import Scorer
from contracts.matrix import MISSING_CATEGORY, FeatureMatrix, Floats
from contracts.problem import Task

if TYPE_CHECKING:
    import onnx

PARITY_ROWS = 10_000
PARITY_LIMIT = 1e-5
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
UNKNOWN_CATEGORY = "\u2302 never seen"
EXTREMES = np.array([np.inf, -np.inf, 3.4e38, -3.4e38, 1e9, -1e9, 1e-30, -0.0, 0.0], dtype=np.float32)
CHANGED_SHARE = 0.08


class NativeModel(Protocol):
    """A model as it was fitted."""

    def predict(self, matrix: FeatureMatrix) -> Floats:
        """Predictions, float64 (N,)."""


def stress_rows(matrix: FeatureMatrix, seed: int, rows: int = PARITY_ROWS) -> FeatureMatrix:
    """Rows like the given ones, cells replaced by unknown categories, missing values and extremes.

    A quarter is left untouched; any cell of the others may change. The last row is missing throughout.
    """
    generator = np.random.default_rng(seed)
    drawn = matrix.rows(generator.integers(0, len(matrix), rows))
    categorical, numeric = drawn.categorical.copy(), drawn.numeric.copy()
    touched = (np.arange(rows) >= rows // 4)[:, None]
    for value in (UNKNOWN_CATEGORY, MISSING_CATEGORY):
        categorical[touched & (generator.random(categorical.shape) < CHANGED_SHARE)] = value
    numeric[touched & (generator.random(numeric.shape) < CHANGED_SHARE)] = np.nan
    extreme = touched & (generator.random(numeric.shape) < CHANGED_SHARE)
    numeric[extreme] = generator.choice(EXTREMES, size=int(extreme.sum()))
    categorical[-1:], numeric[-1:] = MISSING_CATEGORY, np.nan
    return FeatureMatrix(categorical, numeric)


def prediction_scale(task: Task, label: Floats) -> float:
    """What a difference is a share of: 1 for probabilities, otherwise the spread of the labels (N,)."""
    return 1.0 if task == "binary" else float(np.std(label))


def largest_difference(answers: Floats, expected: Floats, scale: float) -> float:
    """The largest difference as a share of `scale`, or of the expected answer where that is larger.

    float32 holds seven digits of an answer, whatever its size. One that is no number is infinitely wrong.
    """
    errors = np.abs(answers - expected) / np.maximum(max(scale, SMALLEST_SCALE), np.abs(expected))
    return float(np.nan_to_num(errors, nan=np.inf).max())


def largest_error(
    model: NativeModel, graph: onnx.ModelProto, rows: FeatureMatrix, scale: float = 1.0
) -> float:
    """The largest difference between native and exported predictions, by `largest_difference`."""
    exported = Scorer(graph.SerializeToString(), threads=2).score_matrix(rows)
    return largest_difference(exported, model.predict(rows), scale)
