"""The problem spec: the one declaration that training, the request schema, monitoring and the card follow."""

from collections.abc import Mapping
from datetime import timedelta
from importlib import import_module
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.schema.request_names import require_sendable

Task = Literal["binary", "regression"]
FieldType = Literal["string", "integer", "number", "timestamp"]


class ProblemError(ValueError):
    """The problem spec cannot be loaded or contradicts itself."""


class Spec(BaseModel):
    """Base of every part of the spec: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RequestField(Spec):
    """One field that a caller sends. Timestamps carry a zone; ranges are inclusive.

    A `personal` one identifies someone: the prediction log holds a pseudonym in its place, as text.
    """

    name: Annotated[str, AfterValidator(require_sendable)]
    dtype: FieldType
    description: str
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_length: int = 64
    nullable: bool = False
    personal: bool = False
    example: str | int | float


class Label(Spec):
    """What is predicted: a DuckDB SQL expression over the outcome columns, and how late it may come.

    A label that has not arrived `due_within` after the prediction instant is counted as missing.
    """

    name: str
    expression: str
    due_within: timedelta


class Windows(Spec):
    """How the time before `as_of` is divided, newest last: fit, early stopping, calibration, gate.

    `fit` is the longest fit window (sliding); `None` keeps everything (expanding).
    """

    fit: timedelta | None = None
    early_stopping: timedelta
    calibration: timedelta
    gate: timedelta
    minimum_rows: int = Field(1_000, ge=1)


class Guardrail(Spec):
    """A metric on which the challenger may be at most `tolerance` worse than the champion."""

    metric: str
    tolerance: float = Field(ge=0)


class GatePolicy(Spec):
    """What a challenger must show on the fresh window that both models are rescored on.

    `probability_over_champion`: that of any gain at all, given how much it differs from day to day. Of two
    equal models either is ahead on half of the windows. The default did best on the worked problem's February
    to April: less changes champions for nothing, more (from 0.9 on) keeps out models that are better.
    """

    margin_over_champion: float = 0.0
    probability_over_champion: float = Field(0.8, ge=0, lt=1)
    margin_over_base_rate: float = Field(gt=0)
    minimum_sample: int = Field(ge=1)
    guardrails: tuple[Guardrail, ...] = ()


class DriftPolicy(Spec):
    """When monitoring asks for retraining: effect sizes, a sample floor, N of M windows, a cool-down.

    A window is *drifting* when it holds at least `minimum_sample` predictions (for label-based signals:
    labels) and any signal is past its effect size. Retraining is asked for when `windows_needed` of the last
    `windows_seen` windows are drifting and `cool_down` has passed since the last request.

    `skill_drop` is absolute: the share of the base rate's loss that the model no longer explains.
    `unlabelled_share` and `missing_share` raise alerts only: retraining mends neither. `ignored_features` are
    expected to move (the calendar, say) and left out of the share of drifting features.
    """

    window: timedelta = timedelta(days=7)
    minimum_sample: int = Field(500, ge=1)
    feature_psi: float = Field(0.2, gt=0)
    feature_share: float = Field(0.3, gt=0, le=1)
    prediction_psi: float = Field(0.2, gt=0)
    calibration_gap: float = Field(0.05, gt=0)
    skill_drop: float = Field(0.1, gt=0)
    unlabelled_share: float = Field(0.2, gt=0, le=1)
    missing_share: float = Field(0.2, gt=0, le=1)
    ignored_features: tuple[str, ...] = ()
    windows_needed: int = Field(2, ge=1)
    windows_seen: int = Field(3, ge=1)
    cool_down: timedelta = timedelta(days=21)

    @model_validator(mode="after")
    def _needed_within_seen(self) -> Self:
        if self.windows_needed > self.windows_seen:
            raise ValueError("windows_needed must not exceed windows_seen")
        return self


class Problem(Spec):
    """One prediction problem. Everything that is not declared here or in the feature service is generic.

    The prediction instant of an example is `event_time_field` minus `horizon`; a feature may use only what
    was known by then. `reasons` says in words what a feature is, for explanations.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = 1
    title: str
    unit: str = "examples"
    task: Task
    entity_keys: tuple[RequestField, ...]
    request_fields: tuple[RequestField, ...] = ()
    event_time_field: str
    horizon: timedelta
    label: Label
    feature_service: str
    candidates: str
    primary_metric: str
    slices: tuple[str, ...] = ()
    windows: Windows
    gate: GatePolicy
    drift: DriftPolicy = DriftPolicy()
    card: str = ""
    reasons: Mapping[str, str] = {}

    @property
    def fields(self) -> tuple[RequestField, ...]:
        """Every field of a request, entity keys first."""
        return self.entity_keys + self.request_fields

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The names of the entity keys."""
        return tuple(field.name for field in self.entity_keys)

    @model_validator(mode="after")
    def _event_time_is_a_timestamp(self) -> Self:
        types = {field.name: field.dtype for field in self.fields}
        if types.get(self.event_time_field) != "timestamp":
            raise ValueError(f"event_time_field {self.event_time_field!r} must name a timestamp field")
        return self

    @model_validator(mode="after")
    def _gate_can_be_sure(self) -> Self:
        if self.gate.probability_over_champion and self.windows.gate <= timedelta(days=1):
            raise ValueError(
                "no challenger could beat a champion: how sure a gain is shows over days; windows.gate is "
                f"{self.windows.gate}: make it longer than a day, or set gate.probability_over_champion to 0"
            )
        return self


def load_problem(path: str) -> Problem:
    """Load the `Problem` that `package.module:NAME` points at.

    Raises:
        ProblemError: the path has no colon, cannot be imported, names something else or contradicts itself.
    """
    module, _, name = path.partition(":")
    try:
        problem = getattr(import_module(module), name)
    except ValidationError as error:
        raise ProblemError(f"the problem at {path!r} cannot be: {_describe(error)}") from error
    except (ImportError, AttributeError, ValueError) as error:
        raise ProblemError(f"no problem at {path!r}; write it as 'package.module:NAME' ({error})") from error
    if not isinstance(problem, Problem):
        raise ProblemError(f"{path!r} is a {type(problem).__name__}, not a Problem")
    return problem


def _describe(error: ValidationError) -> str:
    return "; ".join(": ".join([*map(str, found["loc"]), found["msg"]]) for found in error.errors())
