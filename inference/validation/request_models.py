"""The pydantic models of a request, derived from the `Problem`: OpenAPI's schema, and who explains errors."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, create_model

from contracts.problem import FieldType, Problem, RequestField
from inference.validation.limits import (
    EARLIEST,
    FEATURES,
    INTEGERS,
    LATEST,
    LONGEST_ID,
    LONGEST_TEXT,
    PREDICTION_TIME,
    REQUEST_ID,
)

# The models' attributes; aliases carry the names of requests, which need not be Python's.
GIVEN: Final = "given_features"
GIVEN_ID: Final = "given_id"
GIVEN_TIME: Final = "given_time"
PYTHON_TYPES: Final[dict[FieldType, Any]] = {"integer": int, "number": float}


class StrictModel(BaseModel):
    """Base of the request models: no coercion, and an unknown field is an error."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_by_alias=True
    )


def instance_model(problem: Problem, replay: bool) -> type[BaseModel]:
    """One instance whose features are looked up: the problem's fields, `request_id`, in replay the time."""
    declared: dict[str, Any] = {
        attribute: (_typed(field), _field(field, None if field.nullable else ...))
        for attribute, field in named_fields(problem)
    }
    return create_model(
        "Instance",
        __base__=StrictModel,
        __doc__=f"{problem.title}: one to be predicted, whose features are looked up.",
        **(declared | _own_fields(replay)),
    )


def given_instance_model(problem: Problem, replay: bool) -> type[BaseModel]:
    """One instance whose features the caller gives; the problem's fields may come along, to be logged."""
    declared: dict[str, Any] = {
        attribute: (_typed(field), _field(field, None, json_schema_extra=_drop_default))
        for attribute, field in named_fields(problem)
    }
    declared[GIVEN] = (_features_type(), Field(alias=FEATURES, description=FEATURES_TEXT))
    return create_model(
        "GivenInstance",
        __base__=StrictModel,
        __doc__=f"{problem.title}: one to be predicted from the features given; nothing is looked up.",
        **(declared | _own_fields(replay)),
    )


def named_fields(problem: Problem) -> Iterator[tuple[str, RequestField]]:
    """The problem's fields with the models' attributes for them."""
    return ((f"field_{place}", field) for place, field in enumerate(problem.fields))


FEATURES_TEXT: Final = (
    "Every feature that the served model reads, as /v1/model lists its columns: text for a categorical one, "
    "a number for a numeric one, null for what is missing."
)


def _features_type() -> Any:
    return dict[str, Annotated[str, Field(max_length=LONGEST_TEXT)] | float | None]


def _own_fields(replay: bool) -> dict[str, Any]:
    text = "Names the request, so that a retry is logged once."
    own: dict[str, Any] = {
        GIVEN_ID: (
            Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)] | None,
            Field(default=None, alias=REQUEST_ID, description=text),
        )
    }
    if replay:
        text = "The instant to predict at; now if left out."
        own[GIVEN_TIME] = (
            _zoned() | None,
            Field(default=None, alias=PREDICTION_TIME, description=text),
        )
    return own


def _field(field: RequestField, default: Any, **more: Any) -> Any:
    return Field(
        default=default, alias=field.name, description=field.description, examples=[field.example], **more
    )


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default")  # a field that is not sent is not null: it is not there


def _typed(field: RequestField) -> Any:
    return _bounded(field) | None if field.nullable else _bounded(field)


def _bounded(field: RequestField) -> Any:
    if field.dtype == "timestamp":
        return _zoned()
    if field.dtype == "string":
        return Annotated[str, Field(max_length=field.max_length)]
    widest = INTEGERS if field.dtype == "integer" else (None, None)
    low = widest[0] if field.minimum is None else field.minimum
    high = widest[1] if field.maximum is None else field.maximum
    return Annotated[PYTHON_TYPES[field.dtype], Field(ge=low, le=high)]


def _zoned() -> Any:
    return Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
