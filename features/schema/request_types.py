"""Request fields in the one type that on-demand views see, whether from a table or from a caller."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from features.errors import UnsupportedFeatureError
from features.schema.feature_types import BOOL, FLOAT32, FLOAT64, INT32, INT64, STRING, UNIX_TIMESTAMP


def field_reader(dtype: str) -> Callable[[Any], Any]:
    """Return the function that gives a caller's value its declared type; missing and NaN become `None`."""
    try:
        return READERS[dtype]
    except KeyError as error:
        raise UnsupportedFeatureError(
            f"request fields of type {dtype} are not supported; use {', '.join(READERS)}"
        ) from error


def frame_dtype(dtype: str) -> str:
    """Return the pandas type under which a column holds the same values as `field_reader` gives."""
    return FRAME_TYPES[dtype]


def read_fields(row: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the row's request fields in their declared types; an absent field is `None`."""
    return {name: read(row.get(name)) for name, read in readers.items()}


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None or value != value else int(value)


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


def _flag(value: Any) -> bool | None:
    return None if value is None or value != value else bool(value)


def _instant(value: Any) -> datetime | None:
    if value is None or value != value:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


READERS: Final[dict[str, Callable[[Any], Any]]] = {
    STRING: _text,
    INT32: _whole,
    INT64: _whole,
    FLOAT32: _number,
    FLOAT64: _number,
    BOOL: _flag,
    UNIX_TIMESTAMP: _instant,
}
FRAME_TYPES: Final = {
    STRING: "object",
    INT32: "Int64",
    INT64: "Int64",
    FLOAT32: "float64",
    FLOAT64: "float64",
    BOOL: "boolean",
    UNIX_TIMESTAMP: "datetime64[us, UTC]",
}
