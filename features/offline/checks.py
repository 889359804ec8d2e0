"""Whether a feature table's files are what its view declares: told from footers, before any join."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feast import FeatureView
from feast.types import Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String

from features.errors import TableLayoutError
from features.offline.asof_sql import AsOfSource
from features.offline.parquet_sql import FILE, ROW_IN_FILE, column_types, read_parquet
from features.schema.views import batch_source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ZONED = "TIMESTAMP WITH TIME ZONE"
NAIVE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE"})
WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
)
FAMILIES = {
    "text": frozenset({"VARCHAR", "UUID", "ENUM"}),
    "a number": WHOLE | {"FLOAT", "DOUBLE", "DECIMAL"},
    "true or false": frozenset({"BOOLEAN"}),
    "bytes": frozenset({"BLOB"}),
}
DECLARED: Mapping[FeastType, str] = {
    String: "text",
    **dict.fromkeys((Int32, Int64, Float32, Float64), "a number"),
    Bool: "true or false",
    Bytes: "bytes",
}
AGAIN = "build the table again, or correct the view's schema"
# Hive and old Spark write text so; Feast would put `b'...'` into the online store.
AS_TEXT = "write it as text, in SQL as `CAST(... AS STRING)`"
# What DuckDB calls the type of a column that was written without a single value.
ALL_NULL, ANY = '"NULL"', "any"


@dataclass(frozen=True)
class Layout:
    """Columns that every file of a table must have. `families`: of which kind each is, where known."""

    view: str
    columns: tuple[str, ...]
    times: tuple[str, ...]
    families: Mapping[str, str | None]

    def check(
        self, connection: "DuckDBPyConnection", paths: str | Sequence[str], table: str
    ) -> dict[str, str]:
        """Return the columns of the files' table expression with DuckDB's types.

        Raises:
            TableLayoutError: a file lacks a column, or has one of another kind, or times that are not UTC in
                microseconds; names the view, the file, the column and what to do.
        """
        files = [paths] if isinstance(paths, str) else paths
        types = [self._check_file(connection, path) for path in files]
        return types[0] if len(types) == 1 else column_types(connection, table)

    def _check_file(self, connection: "DuckDBPyConnection", path: str) -> dict[str, str]:
        types = column_types(connection, read_parquet(path))
        where = f"view {self.view!r}: {path.split('://', 1)[-1]}"
        missing = [column for column in (*self.columns, *self.times) if column not in types]
        if missing:
            raise TableLayoutError(
                f"{where} has no column {', '.join(map(repr, missing))} (it has {', '.join(types)}); "
                "build the table again, or correct the view's schema or field mapping"
            )
        taken = [column for column in types if column.lower() in (FILE, ROW_IN_FILE)]
        if taken:
            raise TableLayoutError(
                f"{where} has the columns {taken}, which DuckDB calls a row's place in its files; rename them"
            )
        for column in self.times:
            _check_instant(where, column, types[column])
        for column in self.columns:
            _check_family(where, column, types[column], self.families.get(column))
        return types


def source_layout(source: AsOfSource, view: FeatureView) -> Layout:
    """Return what the source's files must hold for what is asked of the view."""
    times = (source.timestamp, *([source.created] if source.created else []))
    columns = tuple(column.source for column in [*source.keys, *source.columns])
    return Layout(view.name, columns, times, declared_families(view))


def declared_families(view: FeatureView) -> dict[str, str | None]:
    """Return of which kind each column is that the view declares, in the file's names; `None`: of any."""
    in_file = {answer: column for column, answer in batch_source(view).field_mapping.items()}
    fields = [*view.entity_columns, *view.features]
    return {in_file.get(field.name, field.name): DECLARED.get(field.dtype) for field in fields}


def _check_instant(where: str, column: str, kind: str) -> None:
    if kind == ZONED:
        return
    if kind in NAIVE:
        wrong, fix = f"{kind} without a zone", "write it as UTC: `.dt.tz_localize('UTC')`"
    elif kind.endswith("_NS"):
        wrong, fix = "in nanoseconds", "write microseconds: `to_parquet(..., coerce_timestamps='us')`"
    else:
        wrong, fix = f"{kind}, not a timestamp", "write it as a UTC timestamp in microseconds"
    raise TableLayoutError(f"{where}: {column!r} is {wrong}; {fix}")


def _check_family(where: str, column: str, kind: str, family: str | None) -> None:
    found = type_family(kind)
    if family is not None and found not in (family, ANY):
        fix = AS_TEXT if (found, family) == ("bytes", "text") else AGAIN
        raise TableLayoutError(f"{where}: {column!r} is {kind}, but the view declares {family}; {fix}")


def type_family(kind: str) -> str | None:
    """Return the family of a DuckDB type; `ANY` for a column without a single value, `None` for others."""
    if kind == ALL_NULL:
        return ANY
    plain = kind.split("(", 1)[0]
    return next((family for family, kinds in FAMILIES.items() if plain in kinds), None)
