"""Decodes what is surely a valid request, in one pass of msgspec; anything else is left to the slower models.

Its types accept less than `inference.validation.schema`'s models and read the same values, never the reverse:
timestamps, for one, only in the one spelling that Python and pydantic read alike. Where one model answers
all, given features are decoded straight into its row.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil, floor
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.problem import FieldType, Problem, RequestField
from inference.validation.feature_rows import FeatureRow, ModelInputs
from inference.validation.given_features import FeatureValue
from inference.validation.limits import (
    EARLIEST,
    FEATURES,
    INSTANCES,
    INTEGERS,
    LATEST,
    LONGEST_ID,
    LONGEST_TEXT,
    PREDICTION_TIME,
    REQUEST_ID,
)

TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-][01][0-9]:[0-5][0-9])",
    re.ASCII,
)

# What features may be, whatever model reads them.
NAMED: Final[Any] = dict[str, Annotated[str, Meta(max_length=LONGEST_TEXT)] | float | None]
# How a body with many instances usually begins, to try the likelier type first.
WRAPPED: Final = b'{"instances"'
# What is wrong or unusual; the models say which.
UNDECIDED: Final = (msgspec.DecodeError, ValueError, RecursionError)

# Features by name, or as the row of the model that they were decoded for.
Features = Mapping[str, FeatureValue] | FeatureRow
Parts = tuple[dict[str, object], Features | None, str | None, datetime | None]


class TypedRequest:
    """The decoder of one problem's requests, and of one model's features where `inputs` are its."""

    def __init__(
        self, problem: Problem, replay: bool, max_items: int, inputs: ModelInputs | None = None
    ) -> None:
        self.inputs = inputs
        self._names = tuple(field.name for field in problem.fields)
        self._stamps = tuple(
            place for place, field in enumerate(problem.fields) if field.dtype == "timestamp"
        )
        self._unset = [None if field.nullable else UNSET for field in problem.fields]
        self._without_time: tuple[None, ...] = () if replay else (None,)
        features = NAMED if inputs is None else inputs.row_type
        instance = _instance_type(problem.fields, replay, features)
        envelope = msgspec.defstruct(
            "Envelope",
            [(INSTANCES, Annotated[list[instance], Meta(min_length=1, max_length=max_items)])],  # type: ignore[valid-type]
            forbid_unknown_fields=True,
        )
        self._one: Callable[[bytes], Any] = msgspec.json.Decoder(instance).decode
        self._many: Callable[[bytes], Any] = msgspec.json.Decoder(envelope).decode

    def decode(self, body: bytes) -> list[Parts] | None:
        """Fields, features, id and time of each instance; `None` where the models have to decide."""
        try:
            return [self._parts(instance) for instance in self._instances(body)]
        except UNDECIDED:
            return None

    def _instances(self, body: bytes) -> Sequence[Any]:
        if body.startswith(WRAPPED):
            instances: Sequence[Any] = self._many(body).instances
            return instances
        try:
            return (self._one(body),)
        except msgspec.ValidationError:
            return self._many(body).instances  # type: ignore[no-any-return]

    def _parts(self, instance: Any) -> Parts:
        parts: tuple[Any, ...] = msgspec.structs.astuple(instance) + self._without_time
        *values, features, request_id, asked_for = parts
        if self.inputs is not None and features is not UNSET:
            features = self.inputs.decoded(features)
            if values == self._unset and asked_for is None:
                return {}, features, request_id, None
        for place in self._stamps:
            if values[place].__class__ is str:
                values[place] = _read_moment(values[place])
        time = None if asked_for is None else _read_moment(asked_for)
        named = zip(self._names, values, strict=True)
        if features is UNSET:
            if UNSET in values:
                raise ValueError
            return dict(named), None, request_id, time
        along = {name: value for name, value in named if value is not UNSET and value is not None}
        return along, features, request_id, time


def _instance_type(fields: Sequence[RequestField], replay: bool, features: Any) -> Any:
    """A struct of the fields, then features, id and time; only its JSON names are the fields' own."""
    aliases = {f"field_{place}": field.name for place, field in enumerate(fields)}
    declared = [_declare(name, field) for name, field in zip(aliases, fields, strict=True)]
    texts = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
    own: list[tuple[str, Any, Any]] = [
        ("given", features | UnsetType, UNSET),
        ("given_id", texts | None, None),
    ]
    aliases |= {"given": FEATURES, "given_id": REQUEST_ID}
    if replay:
        own.append(("given_time", str | None, None))
        aliases["given_time"] = PREDICTION_TIME
    return msgspec.defstruct("Instance", [*declared, *own], rename=aliases, forbid_unknown_fields=True)


def _declare(name: str, field: RequestField) -> tuple[str, Any, Any]:
    if field.nullable:
        return name, _type(field) | None, None
    return name, _type(field) | UnsetType, UNSET


def _type(field: RequestField) -> Any:
    return TYPES[field.dtype](field)


def _integer(field: RequestField) -> Any:
    low, high = INTEGERS
    if field.minimum is not None:
        low = max(low, ceil(field.minimum))
    if field.maximum is not None:
        high = min(high, floor(field.maximum))
    return Annotated[int, Meta(ge=low, le=high)]


TYPES: Final[dict[FieldType, Callable[[RequestField], Any]]] = {
    "string": lambda field: Annotated[str, Meta(max_length=field.max_length)],
    "integer": _integer,
    "number": lambda field: Annotated[float, Meta(ge=field.minimum, le=field.maximum)],
    "timestamp": lambda _: str,
}


def _read_moment(text: str) -> datetime:
    """The instant in UTC. Raises `ValueError` for any other spelling, or out of range."""
    if not TIMESTAMP.fullmatch(text):
        raise ValueError
    moment = datetime.fromisoformat(text)
    if not EARLIEST <= moment < LATEST:
        raise ValueError
    return moment.astimezone(UTC)
