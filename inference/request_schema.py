"""The request schema, derived from the `Problem`: strict types, zoned timestamps, every error named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, ValidationError, create_model
from pydantic_core import ErrorDetails, from_json

from inference.errors import ErrorItem, InvalidRequestError, MalformedBodyError, TooManyItemsError
from training.problem import FieldType, Problem, ProblemError, RequestField

REQUEST_ID: Final = "request_id"
PREDICTION_TIME: Final = "prediction_time"
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
INTEGERS: Final = (-(2**63), 2**63 - 1)
LISTED_ERRORS: Final = 100
PYTHON_TYPES: Final[dict[FieldType, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "timestamp": AwareDatetime,
}


class StrictModel(BaseModel):
    """Base of the request models: no coercion, and an unknown field is an error."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_by_alias=True
    )


@dataclass(frozen=True, slots=True)
class Question:
    """One instance to be answered: the fields (timestamps UTC) and the instant whose knowledge counts.

    `features` are given by the caller, by feature name, and `fields` may be empty then. `None`: they are
    looked up online by `fields`.
    """

    request_id: str
    fields: Mapping[str, object]
    as_of: datetime
    features: Mapping[str, str | float | None] | None = None


class RequestSchema:
    """Decodes and checks the body of `POST /v1/predict` for one problem."""

    def __init__(self, problem: Problem, replay: bool, max_items: int) -> None:
        """Derive the models. Raises `ProblemError` when a field takes a name that requests use themselves."""
        self.problem, self._replay, self._max_items = problem, replay, max_items
        self._names = tuple(field.name for field in problem.fields)
        if {REQUEST_ID, PREDICTION_TIME} & set(self._names):
            raise ProblemError(f"rename the request field: {REQUEST_ID!r} and {PREDICTION_TIME!r} are taken")
        self.instance = instance_model(problem, replay)
        self.envelope = create_model(
            "PredictionRequest",
            __base__=StrictModel,
            __doc__=f"Up to {max_items} instances; a single bare instance is accepted too.",
            instances=(list[self.instance], Field(min_length=1, max_length=max_items)),  # type: ignore[name-defined]
        )

    def decode(self, body: bytes, now: datetime) -> list[Question]:
        """Turn a body into questions, asked as of `now` unless replay lets them carry their own time.

        Raises:
            MalformedBodyError: not JSON.
            TooManyItemsError: more instances than the service takes.
            InvalidRequestError: not a request; every wrong field is listed (the first `LISTED_ERRORS`).
        """
        wrapped = self._is_wrapped(body)
        try:
            if wrapped:
                instances = self.envelope.model_validate_json(body).instances  # type: ignore[attr-defined]
            else:
                instances = [self.instance.model_validate_json(body)]
        except ValidationError as error:
            raise self._explained(error.errors(include_url=False), wrapped) from None
        return [self._question(list(vars(instance).values()), now) for instance in instances]

    def _is_wrapped(self, body: bytes) -> bool:
        try:
            document = from_json(body)
        except ValueError as error:
            raise MalformedBodyError(f"the body is not JSON: {error}; send an object in UTF-8") from error
        if not isinstance(document, dict):
            raise InvalidRequestError('send an object: {"instances": [...]} or one bare instance')
        instances = document.get("instances")
        if isinstance(instances, list) and len(instances) > self._max_items:
            raise TooManyItemsError(
                f"{len(instances)} instances in one request; send at most {self._max_items} at a time"
            )
        return "instances" in document

    def _question(self, values: Sequence[Any], now: datetime) -> Question:
        fields = {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in zip(self._names, values, strict=False)
        }
        request_id = values[len(self._names)] or uuid4().hex
        asked_for = values[len(self._names) + 1] if self._replay else None
        return Question(request_id, fields, asked_for.astimezone(UTC) if asked_for else now)

    def _explained(self, errors: Sequence[ErrorDetails], wrapped: bool) -> InvalidRequestError:
        items = [_explain(error, wrapped, self.problem) for error in errors[:LISTED_ERRORS]]
        return InvalidRequestError(
            f"{len(errors)} fields are wrong, nothing was predicted; correct what items names and send again",
            items,
        )


def instance_model(problem: Problem, replay: bool) -> type[BaseModel]:
    """The model of one instance: the problem's fields in order, then `request_id`, then (replay) the time."""
    declared: dict[str, Any] = {
        f"field_{position}": _declare(field) for position, field in enumerate(problem.fields)
    }
    declared["given_id"] = (
        Annotated[StrictStr, Field(min_length=1, max_length=128)] | None,
        Field(
            default=None, alias=REQUEST_ID, description="Names the request, so that a retry is logged once."
        ),
    )
    if replay:
        declared["given_time"] = (
            _zoned() | None,
            Field(
                default=None, alias=PREDICTION_TIME, description="The instant to predict at; now if left out."
            ),
        )
    return create_model(
        "Instance",
        __base__=StrictModel,
        __doc__=f"{problem.title}: one to be predicted.",
        **declared,
    )


def example_instance(problem: Problem) -> dict[str, str | int | float]:
    """An instance made of the examples that the problem gives for its fields."""
    return {field.name: field.example for field in problem.fields}


def _declare(field: RequestField) -> tuple[Any, Any]:
    default: Any = None if field.nullable else ...
    dtype = _bounded(field) | None if field.nullable else _bounded(field)
    return dtype, Field(
        default=default, alias=field.name, description=field.description, examples=[field.example]
    )


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


def _explain(error: ErrorDetails, wrapped: bool, problem: Problem) -> ErrorItem:
    location = list(error["loc"])[1:] if wrapped else [0, *error["loc"]]
    index = location[0] if location and isinstance(location[0], int) else 0
    field = str(location[1]) if len(location) > 1 else None
    code, message = _reason(error, field, problem)
    return ErrorItem(index=index, field=field, code=code, message=message)


def _reason(error: ErrorDetails, field: str | None, problem: Problem) -> tuple[str, str]:
    kind = error["type"]
    if kind == "extra_forbidden" and field == PREDICTION_TIME:
        return "prediction_time_outside_replay", (
            "a request carries its own prediction time only in replay mode; leave it out, "
            "or start the service with ROUNDTRIP_REPLAY=true"
        )
    if kind == "extra_forbidden":
        known = ", ".join([*(spec.name for spec in problem.fields), REQUEST_ID])
        return "unknown_field", f"{field!r} is not a field of this problem; it knows {known}"
    if kind == "missing":
        return "missing_field", f"{field or 'instances'!r} is missing; send it"
    if kind == "timezone_aware":
        return "naive_timestamp", f"{field!r} has no zone; add one, for example 2013-05-14T18:30:00Z"
    code = "out_of_range" if kind.startswith(("greater", "less", "string_too", "too_")) else "wrong_type"
    return code, f"{error['msg']}; send a value as /openapi.json describes it"
