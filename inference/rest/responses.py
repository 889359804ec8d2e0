"""The documents that the service answers with, as OpenAPI describes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from contracts.bundle.contract import Window
from features.schema.feature_column import FeatureColumn
from inference.core.answer import Role

API_VERSION: Final = "1"
Responses = dict[int | str, dict[str, Any]]


def describe_refusals(document: type[BaseModel], texts: Mapping[int, str]) -> Responses:
    """What a route refuses, as FastAPI takes it: the document that says so, and what each status means."""
    return {code: {"model": document, "description": texts[code]} for code in sorted(texts)}


class Document(BaseModel):
    """Base of the documents."""

    model_config = ConfigDict(frozen=True)


class ReasonDocument(Document):
    """What one feature contributed to the prediction, and the same in words."""

    feature: str
    value: str | float | None
    contribution: float
    text: str


class PredictionDocument(Document):
    """One answer; `missing` and `stale` name features that had no value, or only an expired one.

    `degraded`: the online store was away, and the features in `defaulted` have the values declared for that.
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
    reasons: tuple[ReasonDocument, ...] | None = None


class PredictionsDocument(Document):
    """The answers, in the order of the instances; `degraded` when any of them is."""

    predictions: tuple[PredictionDocument, ...]
    degraded: bool


class FollowerDocument(Document):
    """How following the registry goes; `error` says that it fails, and to `admin` why."""

    checked_at: datetime | None
    error: str | None
    refused_version: str | None
    failures: int


class SchemaVersions(Document):
    """The versions of what crosses this service's doors."""

    api: str
    bundle: int
    prediction_log: int
    problem: int


class ModelDocument(Document):
    """What is served. `metrics` were measured on the `gate` window; `card` is Markdown."""

    name: str
    version: str
    alias: str
    since: datetime
    family: str
    feature_service: str
    columns: tuple[FeatureColumn, ...]
    as_of: datetime
    windows: dict[str, Window]
    metrics: dict[str, float]
    card: str
    schemas: SchemaVersions
    follower: FollowerDocument


class LiveDocument(Document):
    """The process runs."""

    status: Literal["live"] = "live"


class WarningDocument(Document):
    """One thing that does not work while the service answers; `message` gives the reason to `admin` only."""

    code: str
    message: str


class ReadyDocument(Document):
    """A model is loaded and warmed; `warnings` say what does not work meanwhile."""

    status: Literal["ready"] = "ready"
    model_version: str
    warnings: tuple[WarningDocument, ...]
