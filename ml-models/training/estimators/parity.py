"""Does the exported graph answer as the native model does? Compared on rows made to find a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.bundle.scorer import Scorer
from training.matrix import MISSING_CATEGORY, FeatureMatrix

if TYPE_CHECKING:
    import onnx

    from training.estimators.base import FittedModel

PARITY_ROWS = 10_000
PARITY_LIMIT = 1e-5
UNKNOWN_CATEGORY = "\u2302 never seen"
EXTREMES = np.array([np.inf, -np.inf, 3.4e38, -3.4e38, 1e9, -1e9, 1e-30, -0.0, 0.0], dtype=np.float32)
CHANGED_SHARE = 0.08


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


def largest_error(model: FittedModel, graph: onnx.ModelProto, rows: FeatureMatrix) -> float:
    """The largest difference between native and exported predictions.

    Differences are absolute up to a prediction of 1 (so always, for probabilities) and relative beyond. A
    prediction that is not a number counts as infinitely wrong.
    """
    native = model.predict(rows)
    exported = Scorer(graph.SerializeToString(), threads=2).score_matrix(rows)
    errors = np.abs(native - exported) / np.maximum(1.0, np.abs(native))
    return float(np.nan_to_num(errors, nan=np.inf).max())
