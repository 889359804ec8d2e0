"""A built table as a source to check, described by its hand-written Pandera schema."""

from pathlib import Path

import pandera.pandas as pa

from features.offline.parquet_sql import local_files
from features.quality.source import ColumnKind, TableSource

TIMESTAMP = "event_timestamp"
KINDS: dict[str, ColumnKind] = {"str": "text", "int": "whole", "float": "number", "bool": "truth"}


def schema_source(path: Path, schema: pa.DataFrameSchema) -> TableSource:
    """Describe the table at `path` (a file or a folder); the schema's `unique` columns identify a row."""
    unique = [str(name) for name in schema.unique or []]
    columns = {str(name): _kind(column) for name, column in schema.columns.items()}
    return TableSource(
        view=path.stem,
        paths=tuple(local_files(path)),
        keys=tuple(name for name in unique if name != TIMESTAMP),
        features=tuple(name for name in columns if name not in (*unique, TIMESTAMP)),
        columns=columns,
        timestamp=TIMESTAMP if TIMESTAMP in columns else None,
    )


def _kind(column: pa.Column) -> ColumnKind | None:
    dtype = str(column.dtype)
    if dtype.startswith("datetime64"):
        return "instant"
    return next((kind for prefix, kind in KINDS.items() if dtype.startswith(prefix)), None)
