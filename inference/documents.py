"""What the service says as JSON: the documents that its routes answer with and that its client reads.

Plain dataclasses, which pydantic describes in OpenAPI and msgspec decodes in the client, who has nothing else
of the service. Predictions are written from `inference.core.answer`, whose fields are the same.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Role = Literal["champion", "challenger", "shadow"]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What one feature contributed to the prediction, and the same in words."""

    feature: str
    value: str | float | None
    contribution: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer; `missing` and `stale` name features that had no value, or only an expired one.

    `degraded`: features could not be read, and those in `defaulted` have the values declared for that.
    `role`: as what the model answered. `reasons` are there when they were asked for.
    """

    request_id: str
    prediction: float
    model_version: str
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    defaulted: tuple[str, ...]
    degraded: bool
    role: Role
    reasons: tuple[Reason, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The answers, in the order of the instances; `degraded` when any of them is."""

    predictions: tuple[Prediction, ...]
    degraded: bool


@dataclass(frozen=True, kw_only=True)
class FeatureColumn:
    """One input of the model."""

    name: str
    kind: Literal["numeric", "categorical"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """The time, and the number of rows in it, that the model was fitted or measured on."""

    start: Moment
    end: Moment
    rows: int


@dataclass(frozen=True, kw_only=True)
class SchemaVersions:
    """The versions of what others read or write of the service."""

    api: str
    bundle: int
    prediction_log: int
    problem: int


@dataclass(frozen=True, kw_only=True)
class Follower:
    """How following the registry goes; `error` says that it fails, and to `admin` why."""

    checked_at: Moment | None
    error: str | None
    refused_version: str | None
    failures: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is served. `metrics` were measured on the `gate` window; `card` is Markdown."""

    name: str
    version: str
    alias: str
    since: Moment
    family: str
    feature_service: str
    columns: tuple[FeatureColumn, ...]
    as_of: Moment
    windows: dict[str, Window]
    metrics: dict[str, float]
    card: str
    schemas: SchemaVersions
    follower: Follower


@dataclass(frozen=True, kw_only=True)
class Live:
    """The process runs."""

    status: Literal["live"] = "live"


@dataclass(frozen=True, kw_only=True)
class ServiceWarning:
    """One thing that does not work while the service answers; `message` gives the reason to `admin` only."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A model is loaded and warmed; `warnings` say what does not work meanwhile."""

    status: Literal["ready"] = "ready"
    model_version: str
    warnings: tuple[ServiceWarning, ...]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was taken in and is durable; a repetition of a known event counts as a duplicate."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, kw_only=True)
class ErrorItem:
    """One thing that is wrong with one instance; `index` counts from 0, `field` is null for the whole."""

    index: int
    field: str | None
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ErrorBody:
    """What went wrong, and what to do next."""

    code: str
    message: str
    items: tuple[ErrorItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ErrorDocument:
    """The body of every answer that is not a success."""

    error: ErrorBody
