"""The prediction log's versioned schema: wide columns, one row per answered request."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa

from contracts.problem import FieldType, Problem, RequestField
from features.schema.feature_column import FeatureColumn
from features.settings import Settings
from inference.prediction_log.errors import UnknownLogVersionError

SCHEMA_VERSION: Final = 2
VERSION_KEY: Final = b"roundtrip.prediction_log.schema_version"
# What `status.*` says; answers name the features with any of the others.
PRESENT: Final = "present"
MISSING: Final = "missing"
STALE: Final = "stale"
DEFAULT: Final = "default"
CATEGORICAL: Final = "categorical"
TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
# For so long a retry is told from a new request.
RETRY_WINDOW: Final = timedelta(days=1)

FIXED_FIELDS: Final = (
    pa.field("request_id", pa.string(), nullable=False),
    pa.field("prediction_time", TIMESTAMP, nullable=False),
    pa.field("logged_at", TIMESTAMP, nullable=False),
    pa.field("model_version", pa.string(), nullable=False),
    pa.field("role", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("prediction", pa.float64(), nullable=False),
    pa.field("latency_ms", pa.float64()),
    pa.field("caller", pa.string()),
)
FIELD_TYPES: Final[dict[FieldType, pa.DataType]] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "timestamp": TIMESTAMP,
}


def log_folder(settings: Settings) -> Path:
    """Where the log lies: `journal/` (being written) and `date=YYYY-MM-DD/` (sealed, by prediction date)."""
    return settings.var / "predictions"


def arrow_schema(columns: Sequence[FeatureColumn], problem: Problem) -> pa.Schema:
    """The schema of one sealed partition: fixed fields, `key.*`, `feature.*`, `status.*`, `age.*`.

    `prediction_time` is the instant the prediction was made for (its `as_of`); `logged_at` is the wall clock.
    `caller` is who asked, null where none was known, as in bulk. `status.*` is one of present, missing,
    stale, default, and never null; `age.*` is in seconds, and left out where none is known, as in bulk. The
    metadata carries the version.
    """
    return wide_schema(key_types(problem.fields), feature_types(columns))


def wide_schema(keys: Sequence[tuple[str, FieldType]], features: Sequence[tuple[str, str]]) -> pa.Schema:
    """`arrow_schema` from plain (name, type) pairs, as a journal segment's header carries them."""
    fields = [
        *FIXED_FIELDS,
        *(pa.field(f"key.{name}", FIELD_TYPES[dtype]) for name, dtype in keys),
        *(pa.field(f"feature.{name}", _feature_type(kind)) for name, kind in features),
        *(pa.field(f"status.{name}", pa.string(), nullable=False) for name, _ in features),
        *(pa.field(f"age.{name}", pa.float64()) for name, _ in features),
    ]
    return pa.schema(fields, metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})


def key_types(fields: Sequence[RequestField]) -> tuple[tuple[str, FieldType], ...]:
    """The (name, type) of every request field as it is logged, entity keys first; pseudonyms are text."""
    return tuple((field.name, "string" if field.personal else field.dtype) for field in fields)


def feature_types(columns: Sequence[FeatureColumn]) -> tuple[tuple[str, str], ...]:
    """The (name, kind) of every feature, in the model's input order."""
    return tuple((column.name, column.kind) for column in columns)


def check_version(version: object, where: str, known: int = SCHEMA_VERSION) -> None:
    """Refuse a part of the log that was written under another schema version than the `known` one.

    Raises:
        UnknownLogVersionError: it was; the message names `where` and what to do.
    """
    if str(version) != str(known):
        raise UnknownLogVersionError(where, str(version), str(known))


def _feature_type(kind: str) -> pa.DataType:
    return pa.string() if kind == CATEGORICAL else pa.float64()
