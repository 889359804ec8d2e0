"""What the service answers, as its OpenAPI document describes it; a test compares the two field by field."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Role = Literal["champion", "challenger", "shadow"]


class Document(msgspec.Struct, frozen=True):
    """Base of the answers. What a newer service adds is ignored."""


class Reason(Document, frozen=True):
    """What one feature contributed to the prediction, and the same in words."""

    feature: str
    value: str | float | None
    contribution: float
    text: str


class Prediction(Document, frozen=True):
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


class Predictions(Document, frozen=True):
    """The answers, in the order of the instances; `degraded` when any of them is."""

    predictions: tuple[Prediction, ...]
    degraded: bool


class FeatureColumn(Document, frozen=True):
    """One input of the model."""

    name: str
    kind: Literal["numeric", "categorical"]


class Window(Document, frozen=True):
    """The time, and the number of rows in it, that the model was fitted or measured on."""

    start: Moment
    end: Moment
    rows: int


class Versions(Document, frozen=True):
    """The versions of what crosses the service's doors."""

    api: str
    bundle: int
    prediction_log: int
    problem: int


class Follower(Document, frozen=True):
    """How following the registry goes; `error` says that it fails, and to `admin` why."""

    checked_at: Moment | None
    error: str | None
    refused_version: str | None
    failures: int


class Model(Document, frozen=True):
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
    schemas: Versions
    follower: Follower


class ServiceWarning(Document, frozen=True):
    """One thing that does not work while the service answers; `message` gives the reason to `admin` only."""

    code: str
    message: str


class Ready(Document, frozen=True):
    """A model is loaded and warmed; `warnings` say what does not work meanwhile."""

    model_version: str
    warnings: tuple[ServiceWarning, ...]
    status: Literal["ready"] = "ready"


class Receipt(Document, frozen=True):
    """What was taken in and is durable; a repetition of a known event counts as a duplicate."""

    accepted: int
    duplicates: int


class ErrorItem(Document, frozen=True):
    """One thing that is wrong with one instance; `index` counts from 0, `field` is null for the whole."""

    index: int
    field: str | None
    code: str
    message: str


class ErrorBody(Document, frozen=True):
    """What went wrong, and what to do next."""

    code: str
    message: str
    items: tuple[ErrorItem, ...] = ()


class ErrorDocument(Document, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorBody
