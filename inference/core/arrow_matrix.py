"""Arrow rows become the model's two input arrays, without a frame in between."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.matrix import MISSING_CATEGORY, Categories, FeatureMatrix, Floats, names_of
from features.schema.feature_column import FeatureColumn
from inference.core.arrow_texts import as_texts


def arrow_matrix(rows: pa.RecordBatch | pa.Table, columns: Sequence[FeatureColumn]) -> FeatureMatrix:
    """The same arrays as `contracts.matrix.to_matrix` gives for a frame of these rows.

    Raises:
        KeyError: a column is not there.
        pa.ArrowInvalid, pa.ArrowNotImplementedError: a column is no text, or no number.
    """
    categories, numbers = names_of(columns, "categorical"), names_of(columns, "numeric")
    categorical = np.empty((len(rows), len(categories)), dtype=object)
    transposed = np.empty((len(numbers), len(rows)), dtype=np.float32)  # a column is written faster in a row
    for place, name in enumerate(categories):
        categorical[:, place] = _texts(_column(rows, name))
    with np.errstate(over="ignore"):
        for place, name in enumerate(numbers):
            transposed[place] = _floats(_column(rows, name))
    return FeatureMatrix(categorical, np.ascontiguousarray(transposed.T))


def _column(rows: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _texts(column: pa.Array) -> Categories:
    """Each distinct text becomes one object, however many rows hold it."""
    column = as_texts(column)
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    known = [MISSING_CATEGORY if text is None else text for text in column.dictionary.to_pylist()]
    places = pc.fill_null(column.indices, len(known)).to_numpy(zero_copy_only=False)
    texts: Categories = np.array([*known, MISSING_CATEGORY], dtype=object)[places]
    return texts


def _floats(column: pa.Array) -> Floats:
    """Null becomes NaN; whole numbers beyond 2^53 are rounded, as float64 does."""
    numbers = column if pa.types.is_floating(column.type) else pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(numbers, np.nan).to_numpy())
