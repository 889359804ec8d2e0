"""What stands for a feature while the online store is away: `Field(..., tags={"default": "0"})`."""

from collections.abc import Callable, Iterable
from typing import Any

from feast import Field
from feast.types import Bool, Float32, Float64, Int32, Int64, String

from features.errors import UnsupportedFeatureError
from features.schema.feature_types import Default

DEFAULT_TAG = "default"
BOOLEANS = {"true": True, "false": False}

PARSERS: dict[Any, Callable[[str], Default]] = {
    String: str,
    Float64: float,
    Float32: float,
    Int64: int,
    Int32: int,
    Bool: lambda text: BOOLEANS[text.lower()],
}


def declared_defaults(fields: Iterable[Field]) -> dict[str, Default]:
    """Return the default of every field whose tags declare one; the others are missing when unread.

    Raises:
        UnsupportedFeatureError: a default is no value of its field's type.
    """
    return {field.name: _parse(field) for field in fields if DEFAULT_TAG in field.tags}


def _parse(field: Field) -> Default:
    text = field.tags[DEFAULT_TAG]
    try:
        return PARSERS[field.dtype](text)
    except (KeyError, ValueError) as error:
        raise UnsupportedFeatureError(
            f"feature {field.name!r}: its default {text!r} is no {field.dtype}; correct the tag"
        ) from error
