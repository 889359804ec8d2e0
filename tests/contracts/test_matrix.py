"""Frames become matrices in the service's order, with missing values as the models expect them."""

import numpy as np
import pandas as pd
import pytest

from contracts.matrix import FeatureMatrix, MatrixError, to_matrix
from tests.training.tabular_rows import COLUMNS

FRAME = pd.DataFrame(
    {
        "height": [1, 2, 3],
        "weight": [1.5, np.nan, 1e300],
        "never_seen": pd.array([1, None, 3], dtype="Int64"),
        "colour": pd.array(["red", None, "blue"], dtype="string"),
        "shape": pd.Series(["round", None, "long"], dtype="category"),
        "ignored": ["x", "y", "z"],
    }
)


def test_columns_come_in_the_services_order():
    matrix = to_matrix(FRAME, COLUMNS)
    assert matrix.categorical.tolist() == [["round", "red"], ["", ""], ["long", "blue"]]
    assert matrix.numeric.dtype == np.float32
    assert matrix.numeric[0].tolist() == [1.5, 1.0, 1.0]
    assert np.isnan(matrix.numeric[1, [0, 2]]).all()
    assert np.isinf(matrix.numeric[2, 0])


def test_an_absent_column_is_named():
    with pytest.raises(MatrixError, match="colour"):
        to_matrix(FRAME.drop(columns="colour"), COLUMNS)


def test_no_rows_keep_their_widths():
    matrix = to_matrix(FRAME.head(0), COLUMNS)
    assert (matrix.categorical.shape, matrix.numeric.shape) == ((0, 2), (0, 3))
    assert len(matrix) == 0


def test_rows_are_selected_together():
    matrix = to_matrix(FRAME, COLUMNS).rows(np.array([2, 0]))
    assert isinstance(matrix, FeatureMatrix)
    assert matrix.categorical[:, 0].tolist() == ["long", "round"]
    assert matrix.numeric[:, 1].tolist() == [3.0, 1.0]


@pytest.mark.parametrize("dtype", [object, "category"])
def test_a_category_of_bytes_is_read_as_the_text_it_is(dtype):
    encoded = pd.Series([b"round", None, "grün".encode()], dtype=dtype)
    matrix = to_matrix(FRAME.assign(shape=encoded), COLUMNS)
    assert matrix.categorical[:, 0].tolist() == ["round", "", "grün"]


@pytest.mark.parametrize(
    "values", [[b"\xff", None, b"x"], ["round", b"x", None], [1, 2, 3], [True, False, True]]
)
def test_a_category_that_is_no_text_is_named(values):
    with pytest.raises(MatrixError, match="'shape'"):
        to_matrix(FRAME.assign(shape=pd.Series(values, dtype=object)), COLUMNS)
