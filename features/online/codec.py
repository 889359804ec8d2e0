"""How keys and rows stand in the online store: Feast's own key bytes, a row as one Feast `Map` message."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.protos.feast.types.Value_pb2 import Map, Value, ValueType
from feast.types import Bool, Float32, Float64, Int32, Int64, String

Scalar = str | int | float | bool | None

VALUE_FIELDS: dict[Any, tuple[str, Callable[[Any], Scalar]]] = {
    String: ("string_val", str),
    Float64: ("double_val", float),
    Float32: ("float_val", float),
    Int64: ("int64_val", int),
    Int32: ("int32_val", int),
    Bool: ("bool_val", bool),
}


class KeyEncoder:
    """Turns a row's join keys into the bytes of Feast's key serialisation, version 3.

    `keys` maps each join key to the name it has in the rows, `types` to its Feast type. A view without keys
    has Feast's placeholder key.
    """

    def __init__(self, keys: Mapping[str, str], types: Mapping[str, Any]) -> None:
        ordered = sorted(keys)
        self._prefix = serialize_entity_key_prefix(ordered or [DUMMY_ENTITY_ID])
        self._parts = tuple((keys[key], _key_part(types.get(key, String))) for key in ordered)
        if not ordered:
            self._prefix += _text_part(DUMMY_ENTITY_VAL)

    def __call__(self, row: Mapping[str, Any]) -> bytes | None:
        """Return the key's bytes; `None` when a part is missing or mistyped, which no row can match."""
        try:
            return self._prefix + b"".join([part(row[name]) for name, part in self._parts])
        except (KeyError, TypeError, ValueError, struct.error):
            return None


def encode_messages(values: Mapping[str, Value]) -> bytes:
    """Return the bytes of a row that Feast has already turned into messages."""
    return bytes(Map(val=values).SerializeToString())


def row_encoder(types: Mapping[str, Any]) -> Callable[[Sequence[Scalar]], bytes]:
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


def decode_messages(row: bytes) -> dict[str, Value]:
    """Return a stored row as Feast's messages."""
    return dict(Map.FromString(row).val)


def decode_row(row: bytes) -> dict[str, Scalar]:
    """Return a stored row's values; `None` for null and for NaN."""
    return {name: _scalar(message) for name, message in Map.FromString(row).val.items()}


def _scalar(message: Value) -> Scalar:
    field = message.WhichOneof("val")
    if field is None or field == "null_val":
        return None
    value: Scalar = getattr(message, field)
    return None if value != value else value


def _key_part(dtype: Any) -> Callable[[Any], bytes]:
    if dtype == Int64:
        return lambda value: struct.pack("<IIq", ValueType.INT64, 8, _whole(value))
    if dtype == Int32:
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
    return int(value)
