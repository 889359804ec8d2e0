"""A Feast view as a source to check, and what its table must satisfy because of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandera.pandas as pa
from feast import FeatureStore, FeatureView
from feast.types import Bool, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.utils import _get_column_names

from features.declarations import read_declared
from features.offline.files import locate_files
from features.quality.expectation import Expectation
from features.quality.source import ColumnKind, TableSource
from features.schema.views import batch_source

EXPECTATIONS_FILE = "expectations.py"
KINDS: dict[FeastType, ColumnKind] = {
    String: "text",
    Int32: "whole",
    Int64: "whole",
    Float32: "number",
    Float64: "number",
    Bool: "truth",
    UnixTimestamp: "instant",
}


def view_table(store: FeatureStore, view: FeatureView) -> TableSource:
    """Describe the view's table in the names that its files use.

    Raises:
        TableMissingError: there is no such table.
    """
    files = locate_files(store.config, batch_source(view), view.name)
    return replace(describe_columns(store, view), paths=files.paths, filesystem=files.filesystem)


def describe_columns(store: FeatureStore, view: FeatureView) -> TableSource:
    """Describe the columns of the view's table, wherever it lies."""
    entities = [store.get_entity(name, allow_registry_cache=True) for name in view.entities]
    keys, features, timestamp, created = _get_column_names(view, entities)
    in_file = {answer: column for column, answer in batch_source(view).field_mapping.items()}
    kinds = {in_file.get(field.name, field.name): KINDS.get(field.dtype) for field in view.schema}
    instants = [name for name in (timestamp, created) if name]
    wanted = dict.fromkeys([*keys, *features])
    return TableSource(
        view=view.name,
        paths=(),
        keys=tuple(keys),
        features=tuple(features),
        columns={name: kinds.get(name) for name in wanted} | dict.fromkeys(instants, "instant"),
        timestamp=timestamp,
        created=created,
    )


def view_expectation(view: FeatureView, source: TableSource, written: Expectation | None) -> Expectation:
    """Return what follows from the view: keys and instants are there, no two rows share them, the TTL holds.

    What is hand-written for the table comes on top: the checks of its columns, and its bounds.
    """
    columns = {name: pa.Column(nullable=name not in source.row_identity) for name in source.columns}
    own = written.schema.columns if written else {}
    schema = pa.DataFrameSchema(
        {name: own.get(name, column) for name, column in columns.items()}, unique=source.row_identity
    )
    if written:
        return replace(written, schema=schema)
    return Expectation(schema, lifetime=view.ttl if isinstance(view.ttl, timedelta) else None)


def read_expectations(repository: Path) -> Mapping[str, Expectation]:
    """Return the repository's hand-written expectations by table; none when it has no such file.

    Raises:
        RepositoryError: the file does not define `EXPECTATIONS`.
    """
    path = repository / EXPECTATIONS_FILE
    return read_declared(path, "EXPECTATIONS", dict) if path.is_file() else {}
