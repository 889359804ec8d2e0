"""How keys and rows stand in the online store: Feast's own key bytes, a row as one Feast `Map` message."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from features.online.messages import Map, ValueType
from features.schema.feature_types import BOOL, FLOAT32, FLOAT64, INT32, INT64, STRING

Scalar = str | int | float | bool | None

VALUE_FIELDS: dict[str, tuple[str, Callable[[Any], Scalar]]] = {
    STRING: ("string_val", str),
    FLOAT64: ("double_val", float),
    FLOAT32: ("float_val", float),
    INT64: ("int64_val", int),
    INT32: ("int32_val", int),
    BOOL: ("bool_val", bool),
}
# From here on a float64 stands for several whole numbers.
FIRST_INEXACT = 2**53
# What Feast puts in the place of the key of a view that has none (`feast.feature_view.DUMMY_ENTITY`).
NO_KEY, NO_KEY_VALUE = "__dummy_id", ""


class KeyEncoder:
    """Turns a row's join keys into the bytes of Feast's key serialisation, version 3.

    `keys` maps each join key to the name it has in the rows, `types` to its type. A view without keys
    has Feast's placeholder key.
    """

    def __init__(self, keys: Mapping[str, str], types: Mapping[str, str]) -> None:
        ordered = sorted(keys)
        self._prefix = _key_names(ordered or [NO_KEY])
        self._parts = tuple((keys[key], _key_part(types.get(key, STRING))) for key in ordered)
        if not ordered:
            self._prefix += _text_part(NO_KEY_VALUE)

    def __call__(self, row: Mapping[str, Any]) -> bytes | None:
        """Return the key's bytes; `None` when a part is missing or mistyped, which no row can match."""
        try:
            return self._prefix + b"".join([part(row[name]) for name, part in self._parts])
        except (KeyError, TypeError, ValueError, struct.error):
            return None


def encode_messages(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a row that Feast has already turned into messages."""
    return bytes(Map(val=values).SerializeToString())


def row_encoder(types: Mapping[str, str]) -> Callable[[Sequence[Scalar]], bytes]:
    """Return a function from a row's values, in the order of `types`, to bytes. Missing: `None` or NaN."""
    fields = [(name, *VALUE_FIELDS[dtype]) for name, dtype in types.items()]

    def encode(values: Sequence[Scalar]) -> bytes:
        row = Map()
        for (name, field, cast), value in zip(fields, values, strict=True):
            message = row.val[name]  # an empty message is Feast's null
            if value is not None and value == value:
                setattr(message, field, cast(value))
        return bytes(row.SerializeToString())

    return encode


def decode_messages(row: bytes) -> dict[str, Any]:
    """Return a stored row as Feast's messages."""
    return dict(Map.FromString(row).val)


def decode_row(row: bytes) -> dict[str, Scalar]:
    """Return a stored row's values; `None` for null and for NaN."""
    return {name: _scalar(message) for name, message in Map.FromString(row).val.items()}


def _scalar(message: Any) -> Scalar:
    field = message.WhichOneof("val")
    if field is None or field == "null_val":
        return None
    value: Scalar = getattr(message, field)
    return None if value != value else value


def _key_names(names: Sequence[str]) -> bytes:
    return struct.pack("<I", len(names)) + b"".join(_text_part(name) for name in names)


def _key_part(dtype: str) -> Callable[[Any], bytes]:
    if dtype == INT64:
        return lambda value: struct.pack("<IIq", ValueType.INT64, 8, _whole(value))
    if dtype == INT32:
        return lambda value: struct.pack("<IIi", ValueType.INT32, 4, _whole(value))
    return _text_part


def _text_part(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    encoded = value.encode()
    return struct.pack("<II", ValueType.STRING, len(encoded)) + encoded


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise TypeError
    if isinstance(value, float) and abs(value) >= FIRST_INEXACT:
        raise TypeError  # which whole number it was cannot be told
    return int(value)
