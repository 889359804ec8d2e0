"""A model's input as two arrays: strings for categories, float32 for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from contracts.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd

    from features.schema.feature_column import FeatureColumn

Categories = npt.NDArray[np.object_]
Numbers = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
MISSING_CATEGORY = ""
# As pandas infers what an object column holds; a column without a value is empty.
TEXTUAL = frozenset({"string", "empty"})


class MatrixError(ContractError):
    """A frame does not hold the columns that the model reads, or not as text where it reads text."""


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

    Categories that are bytes are read as UTF-8.

    Raises:
        MatrixError: the frame lacks a column, or a category is no text.
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
        values[:, position] = _texts(frame[name], name)
    return values


def _texts(column: pd.Series, name: str) -> Categories:
    from pandas.api.types import infer_dtype  # where there is a frame, pandas is loaded

    values = column.astype(object)
    kind = infer_dtype(values, skipna=True)
    if kind == "bytes":
        values = values.map(partial(_decoded, name), na_action="ignore")
    elif kind not in TEXTUAL:
        raise MatrixError(f"{name!r} holds {kind} values, where the model reads text; write them as text")
    texts: Categories = values.where(column.notna(), MISSING_CATEGORY).to_numpy()
    return texts


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MatrixError(f"{name!r} holds bytes that are not UTF-8 ({error}); write it as text") from error


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> Numbers:
    values = np.empty((len(frame), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for position, name in enumerate(names):
            values[:, position] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values
