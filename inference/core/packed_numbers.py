"""A row's numbers as bytes: float64 one after the other, least byte first, NaN where one is missing.

As Python's floats they would be made, written as text, read and gathered one by one on the way from a request
to the model and to the log.
"""

import struct
from collections.abc import Callable, Sequence
from math import nan
from typing import Final

import numpy as np
import numpy.typing as npt

NUMBER: Final = np.dtype("<f8")
Pack = Callable[[Sequence[float | None]], bytes]


def packer(width: int) -> Pack:
    """What packs rows of `width` numbers. It raises `ValueError` for what is none, or for more or fewer."""
    pack = struct.Struct(f"<{width}d").pack

    def pack_row(numbers: Sequence[float | None]) -> bytes:
        if None in numbers:
            numbers = [nan if number is None else number for number in numbers]
        try:
            return pack(*numbers)
        except struct.error as error:
            raise ValueError(f"{width} numbers cannot be packed: {error}") from error

    return pack_row


def unpack_numbers(rows: Sequence[bytes], width: int) -> npt.NDArray[np.float64]:
    """The numbers of packed rows, float64 (N, `width`).

    Raises:
        ValueError: they do not hold so many.
    """
    return np.frombuffer(b"".join(rows), NUMBER).reshape(len(rows), width)
