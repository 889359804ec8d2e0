"""A model's input as two arrays: strings for categories, float32 for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

if TYPE_CHECKING:
    import pandas as pd

    from features.schema import FeatureColumn

Categories = npt.NDArray[np.object_]
Numbers = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
MISSING_CATEGORY = ""


class MatrixError(TrainingError):
    """A frame does not hold the columns that the model reads."""


@dataclass(frozen=True)
class FeatureMatrix:
    """Rows of model input, columns in the feature service's order within each kind.

    `categorical` is (N, C) of `str`, missing as ""; `numeric` is (N, F) float32, missing as NaN.
    """

    categorical: Categories
    numeric: Numbers

    def __len__(self) -> int:
        return len(self.numeric)

    def rows(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> FeatureMatrix:
        """The rows that a NumPy index selects."""
        return FeatureMatrix(self.categorical[index], self.numeric[index])


def names_of(columns: Sequence[FeatureColumn], kind: str) -> tuple[str, ...]:
    """The names of the columns of one kind, in model order."""
    return tuple(column.name for column in columns if column.kind == kind)


def to_matrix(frame: pd.DataFrame, columns: Sequence[FeatureColumn]) -> FeatureMatrix:
    """Read the model's columns out of a frame; other columns are ignored.

    Raises:
        MatrixError: the frame lacks a column.
    """
    absent = [column.name for column in columns if column.name not in frame.columns]
    if absent:
        raise MatrixError(f"the frame lacks {absent}; read it through the model's own feature service")
    return FeatureMatrix(
        _categories(frame, names_of(columns, "categorical")), _numbers(frame, names_of(columns, "numeric"))
    )


def _categories(frame: pd.DataFrame, names: Sequence[str]) -> Categories:
    values = np.empty((len(frame), len(names)), dtype=object)
    for position, name in enumerate(names):
        column = frame[name]
        values[:, position] = column.astype(object).where(column.notna(), MISSING_CATEGORY).to_numpy()
    return values


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> Numbers:
    values = np.empty((len(frame), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for position, name in enumerate(names):
            values[:, position] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values
