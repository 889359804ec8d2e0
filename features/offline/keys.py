"""Join keys as whole numbers, so that text is compared once per key and not once per row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.offline.asof_sql import CODE

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KeyCodes:
    """`asked`: the code of each entity row's keys; `table`: the keys, with the code of each."""

    asked: Whole
    table: pa.Table


def try_encode(rows: pa.Table, keys: Sequence[str]) -> KeyCodes | None:
    """Return as `encode_keys`, or `None` for keys of a type that Arrow cannot compare, such as a UUID."""
    try:
        return encode_keys(rows, keys)
    except pa.ArrowNotImplementedError:
        return None


def encode_keys(rows: pa.Table, keys: Sequence[str]) -> KeyCodes:
    """Number the keys that the rows have, from 0 on. Nulls have a code too: no source's key equals them."""
    codes, count = np.zeros(rows.num_rows, dtype=np.int64), min(rows.num_rows, 1)
    for key in keys:
        values, size = _encode(rows[key].combine_chunks())
        # Made dense again after every key, so that the product of many keys' sizes cannot overflow.
        codes, count = _encode(pa.array(codes * size + values))
    places = pa.array(_first_places(codes, count))
    columns = {key: rows[key].take(places) for key in keys}
    return KeyCodes(codes, pa.table({**columns, CODE: np.arange(count, dtype=np.int64)}))


def _encode(values: pa.Array) -> tuple[Whole, int]:
    """Return each value's code, and one more than the largest that there may be."""
    encoded = values.dictionary_encode()
    size = len(encoded.dictionary)
    codes = encoded.indices.fill_null(size).to_numpy().astype(np.int64)
    return codes, size + bool(encoded.null_count)


def _first_places(codes: Whole, count: int) -> Whole:
    places = np.empty(count, dtype=np.int64)
    places[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return places
