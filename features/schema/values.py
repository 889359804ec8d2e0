"""Feature values as a model takes them: text or `None`, float64 or missing, online as in history."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema.feature_types import FLOAT32, STRING

ValueReader = Callable[[Any], str | float | None]


def value_reader(dtype: str) -> ValueReader:
    """Return the function that gives one served value its model form; null and NaN become `None`."""
    if dtype == STRING:
        return _text
    return _single if dtype == FLOAT32 else _number


def model_column(column: pa.ChunkedArray, dtype: str) -> npt.NDArray[Any]:
    """Give a retrieved column its model form: objects with `None`, or float64 with NaN."""
    if dtype == STRING:
        return np.asarray(column.cast(pa.string()).to_numpy(), dtype=object)
    numbers = column.cast(pa.float32() if dtype == FLOAT32 else pa.float64())
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _single(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(np.float32(value))
