"""The request schema, derived from the `Problem`: strict types, zoned timestamps, every error named."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import register_at_fork, urandom
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, Discriminator, Field, Tag, TypeAdapter, ValidationError, create_model
from pydantic_core import to_json

from contracts.problem import Problem, ProblemError
from inference.documents import ErrorItem
from inference.errors import TooManyItemsError
from inference.validation.feature_rows import ModelInputs
from inference.validation.field_errors import explain_errors, keep_members, keep_wrong_features, wrong_fields
from inference.validation.json_object import read_object
from inference.validation.limits import FEATURES, INSTANCES, LISTED_ERRORS, RESERVED
from inference.validation.request_models import (
    GIVEN,
    GIVEN_ID,
    GIVEN_TIME,
    StrictModel,
    given_instance_model,
    instance_model,
    named_fields,
)
from inference.validation.typed_request import Features, Parts, TypedRequest

ID_BYTES: Final = 16
# Random bytes are drawn for so many ids in one system call.
IDS_AT_ONCE: Final = 256


class Question(msgspec.Struct, frozen=True, gc=False):
    """One instance to be answered: the fields (timestamps UTC) and the instant whose knowledge counts.

    `features` are given by the caller, by name or as the row of the one model that may answer, and `fields`
    may be empty then. `None`: they are looked up online by `fields`. `is_timed`: the caller set the instant.
    """

    request_id: str
    fields: Mapping[str, object]
    as_of: datetime
    features: Features | None = None
    is_timed: bool = False


class RequestSchema:
    """Decodes and checks the body of `POST /v1/predict` for one problem."""

    def __init__(self, problem: Problem, replay: bool, max_items: int) -> None:
        """Derive the models. Raises `ProblemError` when a field takes a name that requests use themselves."""
        self.problem, self._max_items = problem, max_items
        if taken := RESERVED & {field.name for field in problem.fields}:
            raise ProblemError(f"rename the request fields {sorted(taken)}: requests use these names")
        self._replay = replay
        self._typed = TypedRequest(problem, replay, max_items)
        self._typed_for = self._typed
        self.instance = instance_model(problem, replay)
        self.given_instance = given_instance_model(problem, replay)
        either = Annotated[
            Annotated[self.instance, Tag("asked")] | Annotated[self.given_instance, Tag("given")],  # type: ignore[name-defined]
            Discriminator(_kind_of),
        ]
        self._one: TypeAdapter[BaseModel] = TypeAdapter(either)
        self._known = (*(field.name for field in problem.fields), *sorted(RESERVED - {INSTANCES}))
        self.envelope = create_model(
            "PredictionRequest",
            __base__=StrictModel,
            __doc__=f"Up to {max_items} instances; a single bare instance is accepted too.",
            instances=(list[either], Field(min_length=1, max_length=max_items)),
        )
        self._wrapping = create_model(
            "Wrapping", __base__=StrictModel, instances=(list[Any], Field(min_length=1))
        )

    def decode(self, body: bytes, now: datetime, inputs: ModelInputs | None = None) -> list[Question]:
        """Turn a body into questions, asked as of `now` unless replay lets them carry their own time.

        `inputs`: of the only model that may answer them; features that are given become its rows at once.

        Raises:
            MalformedBodyError: not JSON.
            TooManyItemsError: more instances than the service takes.
            InvalidRequestError: not a request; every wrong field is listed (the first `LISTED_ERRORS`).
        """
        parts = None if inputs is None else self._typed_with(inputs).decode(body)
        if parts is None:
            parts = self._typed.decode(body)
        if parts is None:
            parts = [self._parts(instance) for instance in self._validated(body)]
        return [
            Question(request_id or new_id(), fields, asked_for or now, features, asked_for is not None)
            for fields, features, request_id, asked_for in parts
        ]

    def _typed_with(self, inputs: ModelInputs) -> TypedRequest:
        """The decoder of the model that serves, made when its first request comes."""
        typed = self._typed_for
        if typed.inputs is not inputs:
            typed = self._typed_for = TypedRequest(self.problem, self._replay, self._max_items, inputs)
        return typed

    def _validated(self, body: bytes) -> Sequence[BaseModel]:
        """The instances, one after the other: explaining ends with as many errors as are listed."""
        valid: list[BaseModel] = []
        wrong: dict[ErrorItem, None] = {}
        for index, instance in enumerate(self._instances(body)):
            try:
                valid.append(self._one.validate_json(to_json(self._bounded(instance))))
            except ValidationError as error:
                wrong |= dict.fromkeys(explain_errors(error, index, self.problem))
            if len(wrong) >= LISTED_ERRORS:
                break
        if wrong:
            raise wrong_fields(wrong)
        return valid

    def _instances(self, body: bytes) -> Sequence[Any]:
        document = read_object(body, 'send an object: {"instances": [...]} or one bare instance')
        if INSTANCES not in document:
            return (document,)
        try:
            self._wrapping.model_validate(keep_members(document, (INSTANCES,)))
        except ValidationError as error:
            raise wrong_fields(explain_errors(error, 0, self.problem)) from None
        instances: list[Any] = document[INSTANCES]
        if len(instances) > self._max_items:
            raise TooManyItemsError(
                f"{len(instances)} instances in one request; send at most {self._max_items} at a time"
            )
        return instances

    def _bounded(self, instance: Any) -> Any:
        """An instance that has no more wrong members than are listed."""
        if not isinstance(instance, dict):
            return instance
        kept = keep_members(instance, self._known)
        if isinstance(features := kept.get(FEATURES), dict):
            kept[FEATURES] = keep_wrong_features(features)
        return kept

    def _parts(self, instance: BaseModel) -> Parts:
        fields = {
            field.name: _in_utc(getattr(instance, attribute))
            for attribute, field in named_fields(self.problem)
        }
        features, asked_for = getattr(instance, GIVEN, None), getattr(instance, GIVEN_TIME, None)
        if features is not None:
            fields = {name: value for name, value in fields.items() if value is not None}
        return fields, features, getattr(instance, GIVEN_ID), asked_for and asked_for.astimezone(UTC)


def new_id() -> str:
    """A random request id of 128 bits, for a caller who gave none."""
    try:
        return _fresh_ids.pop()
    except IndexError:
        drawn = urandom(IDS_AT_ONCE * ID_BYTES).hex()
        _fresh_ids.extend(drawn[at : at + 2 * ID_BYTES] for at in range(0, len(drawn), 2 * ID_BYTES))
        return urandom(ID_BYTES).hex()


_fresh_ids: list[str] = []
register_at_fork(after_in_child=_fresh_ids.clear)  # or two processes would give the same ones


def _kind_of(instance: Any) -> str:
    return "given" if isinstance(instance, dict) and FEATURES in instance else "asked"


def _in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def example_instance(problem: Problem) -> dict[str, str | int | float]:
    """An instance made of the examples that the problem gives for its fields."""
    return {field.name: field.example for field in problem.fields}
