"""Served features become the model's two input arrays, without a frame in between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.schema import FeatureColumn
from training.matrix import MISSING_CATEGORY, FeatureMatrix, names_of

if TYPE_CHECKING:
    from features.online.reader import ServedFeatures


def served_matrix(served: Sequence["ServedFeatures"], columns: Sequence[FeatureColumn]) -> FeatureMatrix:
    """The same arrays as `training.matrix.to_matrix` gives for a frame of these values."""
    categories, numbers = names_of(columns, "categorical"), names_of(columns, "numeric")
    categorical = np.empty((len(served), len(categories)), dtype=object)
    numeric = np.empty((len(served), len(numbers)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for row, features in enumerate(served):
            values = features.values
            for position, name in enumerate(categories):
                value = values[name]
                categorical[row, position] = MISSING_CATEGORY if value is None else value
            numeric[row] = [np.nan if (value := values[name]) is None else value for name in numbers]
    return FeatureMatrix(categorical, numeric)
