"""DuckDB SQL of the point-in-time join: each source's newest row known at an entity row's instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENTITY_TABLE = "entity_rows"
ROW = "__row"
INSTANT = "__instant"
EVENT = "__event"


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source calls it and as the answer calls it."""

    source: str
    answer: str


@dataclass(frozen=True)
class AsOfSource:
    """One Parquet source. `keys` answer with the entity frame's column names; no TTL: never expires."""

    path: str
    keys: tuple[SourceColumn, ...]
    columns: tuple[SourceColumn, ...]
    timestamp: str
    created: str | None
    ttl: timedelta | None


def quote(identifier: str) -> str:
    """Quote a DuckDB or SQLite identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def read_parquet(path: str) -> str:
    """Return the table function that reads a Parquet file, a folder of them, or a pattern."""
    return "read_parquet('" + path.replace("'", "''") + "', file_row_number = true)"


def instant_sql(column: str) -> str:
    """Return a timestamp column as microseconds since 1970 UTC; a naive timestamp is taken as UTC."""
    return f"epoch_us(CAST({quote(column)} AS TIMESTAMPTZ))"


def newest_per_instant(source: AsOfSource) -> str:
    """Return the source's rows, one per key and event time.

    Ties go to the newest creation time, then to the row that stands last in the file: the answer must not
    depend on how threads were scheduled.
    """
    keys = [f"{quote(key.source)} AS {quote(f'__key_{key.answer}')}" for key in source.keys]
    columns = [f"{quote(column.source)} AS {quote(column.answer)}" for column in source.columns]
    partition = ", ".join([*(quote(key.source) for key in source.keys), EVENT])
    created = f"{quote(source.created)} DESC NULLS LAST, " if source.created else ""
    return (
        f"SELECT {', '.join([*keys, *columns, f'{instant_sql(source.timestamp)} AS {EVENT}'])} "
        f"FROM {read_parquet(source.path)} "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {created}file_row_number DESC) = 1"
    )


def asof_rows(source: AsOfSource, *, expire: bool) -> str:
    """Return `__row`, `__event` and the source's columns for every entity row that has a row known by then.

    With `expire`, a row older than the TTL at the entity row's instant is left out; one exactly as old as
    the TTL is kept, as Feast does.
    """
    matches = [f"e.{quote(key.answer)} = s.{quote(f'__key_{key.answer}')}" for key in source.keys]
    condition = " AND ".join([*matches, f"e.{INSTANT} >= s.{EVENT}"])
    answers = "".join(f", s.{quote(column.answer)}" for column in source.columns)
    alive = ""
    if expire and source.ttl:
        alive = f" WHERE s.{EVENT} + {source.ttl // timedelta(microseconds=1)} >= e.{INSTANT}"
    return (
        f"SELECT e.{ROW}, s.{EVENT}{answers} FROM {ENTITY_TABLE} e "
        f"ASOF JOIN ({newest_per_instant(source)}) s ON {condition}{alive}"
    )


def point_in_time_query(sources: Sequence[AsOfSource]) -> str:
    """Return the query that answers every source's columns for every entity row, in the entity rows' order.

    Each source is joined on its own to the narrow entity table and then looked up by row: chaining the
    as-of joins would sort ever wider rows.
    """
    parts = ", ".join(f"s{i} AS ({asof_rows(source, expire=True)})" for i, source in enumerate(sources))
    columns = ", ".join(
        f"s{i}.{quote(column.answer)}" for i, source in enumerate(sources) for column in source.columns
    )
    joins = " ".join(f"LEFT JOIN s{i} ON s{i}.{ROW} = e.{ROW}" for i in range(len(sources)))
    return f"WITH {parts} SELECT {columns} FROM {ENTITY_TABLE} e {joins} ORDER BY e.{ROW}"


def connect_utc() -> "DuckDBPyConnection":
    """Open an in-memory DuckDB whose naive timestamps are UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection
