"""What a bundle declares about itself: `contract.json`, versioned, refused when unknown."""

import hashlib
import json
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.bundle.errors import BundleSchemaError
from contracts.problem import Task
from features.schema.feature_column import FeatureColumn

SCHEMA_VERSION = 1
CONTRACT_FILE = "contract.json"
MODEL_FILE = "model.onnx"
PROFILE_FILE = "profile.json"
REFERENCE_FILE = "reference.parquet"
CARD_FILE = "card.md"
NATIVE_FOLDER = "native"
# In it; of every family.
NATIVE_FILE = "model.json"


class ContractPart(BaseModel):
    """Base of every part of the contract: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(ContractPart):
    """Examples with `start <= event_timestamp < end`; `rows` of them were used."""

    start: AwareDatetime
    end: AwareDatetime
    rows: int


class Contract(ContractPart):
    """Everything that a reader must know before it may use the model.

    `columns` are in the graph's order: the categorical ones are the columns of the input `categorical`, the
    numeric ones those of `numeric`. `metrics` were measured on the window `gate`. `files` maps the path of
    each other file of the bundle to its SHA-256.
    """

    schema_version: int = SCHEMA_VERSION
    problem: str
    problem_version: int
    task: Task
    family: str
    feature_service: str
    columns: tuple[FeatureColumn, ...]
    label: str
    as_of: AwareDatetime
    windows: dict[str, Window]
    metrics: dict[str, float]
    parity_error: float = Field(ge=0)
    parity_rows: int = Field(ge=0)
    data_fingerprint: str
    code_version: str
    files: dict[str, str]

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the string inputs, in order."""
        return tuple(column.name for column in self.columns if column.kind == "categorical")

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the float inputs, in order."""
        return tuple(column.name for column in self.columns if column.kind == "numeric")

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read a contract, looking at its schema version first.

        Raises:
            BundleSchemaError: it is not JSON, its version is unknown, or its content does not fit it.
        """
        version = _schema_version(text)
        if version != SCHEMA_VERSION:
            raise BundleSchemaError(
                f"{CONTRACT_FILE} has schema version {version!r}, this code reads {SCHEMA_VERSION}; "
                "train again, or serve it with the release that wrote it"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BundleSchemaError(
                f"{CONTRACT_FILE} breaks its own schema; train again ({error})"
            ) from error


def _schema_version(text: str | bytes) -> object:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleSchemaError(f"{CONTRACT_FILE} is not JSON; copy the bundle again ({error})") from error
    return document.get("schema_version") if isinstance(document, dict) else None


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
