"""The rows to find features for, from a frame or from SQL, checked and cut into slices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.errors import FeastEntityDFMissingColumnsError

from features.errors import EntityRowsError
from features.offline.asof_sql import INSTANT, ROW, AsOfSource, Span
from features.offline.checks import ANY, type_family
from features.offline.parquet_sql import PARQUET, quote, read_parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENT_TIMESTAMP = "event_timestamp"
MICROSECONDS_UTC = pa.timestamp("us", tz="UTC")
SPOOL = "entity_input"
FLOATS = frozenset({"FLOAT", "DOUBLE"})
FIRST_INEXACT = 2**53


class MissingJoinKeyError(EntityRowsError, FeastEntityDFMissingColumnsError):
    """The entity rows lack a join key: an error of this room's, and Feast's own."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


@dataclass(frozen=True)
class EntityBounds:
    """What a retrieval's metadata says of its rows: their other columns, first and last instant (UTC)."""

    keys: list[str]
    first: datetime | None
    last: datetime | None


def as_query(asked: str) -> str:
    """Return the SQL of entity rows; the path of a Parquet file stands for its rows."""
    path = asked.strip()
    is_path = path.endswith(PARQUET) and ("'" not in path or Path(path).is_file())
    return f"FROM {read_parquet(path)}" if is_path else asked


def read_slices(
    connection: "DuckDBPyConnection", asked: pd.DataFrame | str, slice_rows: int
) -> Iterator[pa.Table]:
    """Yield the rows in their order, at most `slice_rows` at a time; at least one slice, if an empty one.

    The instant column comes as UTC in microseconds; a naive one is taken as UTC. SQL is run once.

    Raises:
        EntityRowsError: the SQL fails, a column is there twice, or an instant is missing.
    """
    if isinstance(asked, str):
        _spool(connection, asked)
        count = connection.execute(f"SELECT count(*) FROM {SPOOL}").fetchall()[0][0]
        slices = (_spooled(connection, start, slice_rows) for start in range(0, max(count, 1), slice_rows))
    else:
        table = _frame_table(asked)
        starts = range(0, max(table.num_rows, 1), slice_rows)
        slices = (table.slice(start, slice_rows) for start in starts)
    return (with_instants(rows) for rows in slices)


def entity_bounds(connection: "DuckDBPyConnection", asked: pd.DataFrame | str) -> EntityBounds:
    """Return the rows' columns beside the instant, and the first and the last instant.

    Raises:
        EntityRowsError: as `read_slices`.
    """
    if isinstance(asked, str):
        _spool(connection, asked)
        names = _spooled(connection, 0, 0).schema
        column = quote(instant_column(names))
        ends = connection.sql(f"SELECT min({column}), max({column}) FROM {SPOOL}").to_arrow_table()
        ends = [_instants(ends.column(position), "the SQL")[0].as_py() for position in (0, 1)]
    else:
        names = _frame_table(asked.head(0)).schema
        values = pd.to_datetime(asked[instant_column(names)], utc=True)
        ends = [moment.to_pydatetime() if len(asked) else None for moment in (values.min(), values.max())]
    return EntityBounds([name for name in names.names if name != instant_column(names)], *ends)


def instant_column(schema: pa.Schema) -> str:
    """Return the column of instants: `event_timestamp`, or else the only column of timestamps.

    Raises:
        EntityRowsError: there is neither.
    """
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    timestamps = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if len(timestamps) != 1:
        raise EntityRowsError(
            f"entity rows have no `{EVENT_TIMESTAMP}` column; add the instant at which each is asked"
        )
    return str(timestamps[0])


def with_instants(rows: pa.Table) -> pa.Table:
    """Return the rows with their instants as UTC in microseconds.

    Raises:
        EntityRowsError: an instant is missing, or is not one.
    """
    name = instant_column(rows.schema)
    instants = _instants(rows[name], name)
    if instants.null_count:
        raise EntityRowsError(
            f"{instants.null_count} of {len(instants)} entity rows have no {name!r}; drop them, or say when "
            "each is asked"
        )
    return rows.set_column(rows.column_names.index(name), name, instants)


def narrow_rows(rows: pa.Table, sources: Sequence[AsOfSource]) -> pa.Table:
    """Return what the join reads of checked rows: keys, row number and instant (microseconds).

    Raises:
        MissingJoinKeyError: a join key is not there.
        EntityRowsError: a column has the name of a feature that is asked for.
    """
    keys = list(dict.fromkeys(key.answer for source in sources for key in source.keys))
    missing = [key for key in keys if key not in rows.column_names]
    if missing:
        raise MissingJoinKeyError(f"entity rows lack the join keys {missing}; add these columns")
    check_untaken(rows, [column.answer for source in sources for column in source.columns])
    instants = rows[instant_column(rows.schema)].cast(pa.int64())
    numbers = pa.array(np.arange(rows.num_rows, dtype=np.int64))
    return rows.select(keys).append_column(ROW, numbers).append_column(INSTANT, instants)


def check_untaken(rows: pa.Table, features: Sequence[str]) -> None:
    """Refuse rows that have a column of a feature's name.

    Raises:
        EntityRowsError: names the columns.
    """
    taken = [name for name in features if name in rows.column_names]
    if taken:
        raise EntityRowsError(
            f"entity rows already have the columns {taken}; rename them, or ask for full_feature_names"
        )


def span_of(narrow: pa.Table) -> Span | None:
    """Return the first and the last instant of the rows; `None` without rows."""
    ends = pc.min_max(narrow[INSTANT]).as_py()
    return None if ends["min"] is None else Span(ends["min"], ends["max"])


def check_key_types(
    connection: "DuckDBPyConnection",
    rows: pa.Table,
    sources: Sequence[AsOfSource],
    types: Sequence[Mapping[str, str]],
) -> None:
    """Refuse keys that can match nothing, such as text where the table has numbers.

    A float64 stands for several ids from 2**53 on, so that a row could be given another's features.

    Raises:
        EntityRowsError: names the view, the key and both types.
    """
    relation = connection.from_arrow(rows.slice(0, 0))
    asked = dict(zip(relation.columns, map(str, relation.types), strict=True))
    for source, kinds in zip(sources, types, strict=True):
        for key in source.keys:
            _check_key_type(source.view, key.answer, asked[key.answer], kinds[key.source])
            if FLOATS.intersection((asked[key.answer], kinds[key.source])):
                _check_exact(source.view, key.answer, rows[key.answer])


def _check_key_type(view: str, key: str, asked: str, kind: str) -> None:
    ours, theirs = type_family(asked), type_family(kind)
    if ours != theirs and ANY not in (ours, theirs):
        raise EntityRowsError(
            f"view {view!r}: key {key!r} is {asked} in the entity rows but {kind} in the table; convert the "
            "entity rows' column"
        )


def _check_exact(view: str, key: str, ids: pa.ChunkedArray) -> None:
    ends = pc.min_max(ids.cast(pa.float64(), safe=False)).as_py()
    if any(end is not None and abs(end) >= FIRST_INEXACT for end in ends.values()):
        raise EntityRowsError(
            f"view {view!r}: key {key!r} has ids from 2**53 on, which a float does not tell apart; keep them "
            "whole in the entity rows and in the table: `astype('Int64')` where some are missing"
        )


def _frame_table(rows: pd.DataFrame) -> pa.Table:
    twice = rows.columns[rows.columns.duplicated()].unique().tolist()
    if twice:
        raise EntityRowsError(f"entity rows have the columns {twice} twice; keep one of each")
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except pa.ArrowException as error:
        raise EntityRowsError(
            f"entity rows have a column of mixed types; give each column one type: {error}"
        ) from error


def _spool(connection: "DuckDBPyConnection", query: str) -> None:
    import duckdb

    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {SPOOL} AS {as_query(query)}")
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise EntityRowsError(f"the entity rows' SQL fails; it must be one DuckDB query: {error}") from error


def _spooled(connection: "DuckDBPyConnection", start: int, count: int) -> pa.Table:
    within = f"rowid >= {start} AND rowid < {start + count}"
    return connection.sql(f"SELECT * FROM {SPOOL} WHERE {within}").to_arrow_table()


def _instants(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_timestamp(kind):
        zoned = column if kind.tz else pc.assume_timezone(column, "UTC")
        return zoned.cast(MICROSECONDS_UTC, safe=False)
    try:
        moments = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise EntityRowsError(f"{name!r} of the entity rows is not a timestamp: {error}") from error
    return pa.chunked_array([pa.array(moments.dt.as_unit("us"), MICROSECONDS_UTC)])
