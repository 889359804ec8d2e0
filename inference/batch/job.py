"""One bulk run as every process that takes part knows it: model version, columns, where parts are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from contracts.bundle.reader import Bundle
from contracts.matrix import names_of
from features.schema.feature_column import FeatureColumn
from inference.batch.inputs import InputFile, Part
from inference.errors import BatchInputError
from inference.settings import InferenceSettings

EVENT_TIMESTAMP = "event_timestamp"
PREDICTION, MODEL_VERSION = "prediction", "model_version"
RESULTS = (pa.field(PREDICTION, pa.float64()), pa.field(MODEL_VERSION, pa.string()))


@dataclass(frozen=True)
class BatchJob:
    """What scoring a part needs. `read`: the columns read; `schema`: what is written of each row.

    `historical`: the features are not in the files, but read as of each row's `event_timestamp`.
    """

    settings: InferenceSettings
    bundle: Path
    version: str
    columns: tuple[FeatureColumn, ...]
    service: str
    historical: bool
    log: bool
    read: tuple[str, ...]
    schema: pa.Schema
    folder: Path

    @property
    def repeated(self) -> tuple[str, ...]:
        """The written columns that hold few different values."""
        return (*names_of(self.columns, "categorical"), MODEL_VERSION)

    def path(self, part: Part) -> Path:
        """Where a part is kept; the name tells apart whatever would score it to something else."""
        facts = (
            part.path,
            part.stamp,
            part.first,
            part.last,
            self.version,
            self.log,
            self.schema.to_string(),
        )
        digest = sha256(repr(facts).encode()).hexdigest()[:16]
        return self.folder / f"{part.number:06d}-{digest}.arrow"


def plan_job(
    settings: InferenceSettings,
    bundle: Bundle,
    version: str,
    files: Sequence[InputFile],
    folder: Path,
    log: bool,
    features: bool,
) -> BatchJob:
    """Decide what is read and written; `features`: the model's inputs are written too.

    Raises:
        BatchInputError: the files differ in their columns, or hold neither features nor an instant.
    """
    contract, given = bundle.contract, files[0].schema
    names = [column.name for column in contract.columns]
    lacking = sorted(set(names) - set(given.names))
    if lacking and EVENT_TIMESTAMP not in given.names:
        raise BatchInputError(f"the input lacks {lacking} and has no {EVENT_TIMESTAMP!r} to read them at")
    kept = [_plain(field) for field in given if field.name not in {*names, PREDICTION, MODEL_VERSION}]
    read = [field.name for field in kept] + ([] if lacking else names)
    _require_alike(files, read)
    written = [*kept, *(map(_feature_field, contract.columns) if features else ()), *RESULTS]
    return BatchJob(
        settings=settings,
        bundle=bundle.folder,
        version=version,
        columns=contract.columns,
        service=contract.feature_service,
        historical=bool(lacking),
        log=log,
        read=tuple(read),
        schema=pa.schema(written),
        folder=folder,
    )


def _plain(field: pa.Field) -> pa.Field:
    """Each part would come with a dictionary of its own, which one Arrow file cannot hold."""
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field


def _feature_field(column: FeatureColumn) -> pa.Field:
    return pa.field(column.name, pa.string() if column.kind == "categorical" else pa.float64())


def _require_alike(files: Sequence[InputFile], names: Sequence[str]) -> None:
    first = files[0]
    for file in files[1:]:
        for name in names:
            if name not in file.schema.names or file.schema.field(name).type != first.schema.field(name).type:
                raise BatchInputError(
                    f"{file.path} does not hold {name!r} as {first.path} does; score them one by one"
                )
