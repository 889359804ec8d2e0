"""A row's numbers survive being packed bit by bit, and nothing else can be packed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.core.packed_numbers import packer, unpack_numbers

NUMBERS = st.none() | st.floats(allow_nan=False)


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3)))
def test_what_is_packed_is_unpacked(rows: list[list[float | None]]) -> None:
    unpacked = unpack_numbers(list(map(packer(3), rows)), 3)

    assert unpacked.shape == (len(rows), 3)
    assert [[None if np.isnan(value) else value for value in row] for row in unpacked.tolist()] == rows


def test_a_row_may_have_no_numbers() -> None:
    assert unpack_numbers([packer(0)(())] * 4, 0).shape == (4, 0)


@pytest.mark.parametrize("row", [(1.0,), (1.0, 2.0, 3.0), ("1", 2.0)])
def test_what_is_no_row_is_refused(row: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="2 numbers"):
        packer(2)(row)


def test_bytes_that_hold_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        unpack_numbers([packer(2)((1.0, 2.0))], 3)
