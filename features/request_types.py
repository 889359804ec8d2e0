"""Request fields in the one type that on-demand views see, whether from a table or from a caller."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from feast.types import Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

from features.errors import UnsupportedFeatureError


def field_reader(dtype: Any) -> Callable[[Any], Any]:
    """Return the function that gives a caller's value its declared type; missing and NaN become `None`."""
    try:
        return READERS[dtype.to_value_type()]
    except KeyError as error:
        raise UnsupportedFeatureError(
            f"request fields of type {dtype} are not supported; use {', '.join(map(str, READABLE))}"
        ) from error


def frame_dtype(dtype: Any) -> str:
    """Return the pandas type under which a column holds the same values as `field_reader` gives."""
    return FRAME_TYPES[dtype.to_value_type()]


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


READABLE = (String, Int32, Int64, Float32, Float64, Bool, UnixTimestamp)
READERS: dict[Any, Callable[[Any], Any]] = {
    dtype.to_value_type(): read
    for dtype, read in zip(READABLE, (_text, _whole, _whole, _number, _number, _flag, _instant), strict=True)
}
FRAME_TYPES: dict[Any, str] = {
    dtype.to_value_type(): name
    for dtype, name in zip(
        READABLE,
        ("object", "Int64", "Int64", "float64", "float64", "boolean", "datetime64[us, UTC]"),
        strict=True,
    )
}
