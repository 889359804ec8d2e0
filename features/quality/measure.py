"""What a table shows as a whole: rows, when the newest is from, the longest hole, and what is missing."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from features.offline.asof_sql import instant_sql
from features.offline.parquet_sql import quote
from features.quality.layout import missing_condition
from features.quality.source import TableSource

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class TableMeasure(BaseModel):
    """The rows of one table that were known at a moment; instants are UTC, `null_rate` a share per feature.

    `newest` and `largest_gap_seconds` are None where there are no rows, or no instants. The gap is between
    consecutive instants at which the table has any row.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    newest: datetime | None = None
    largest_gap_seconds: float | None = None
    gap_end: datetime | None = None
    null_rate: dict[str, float] = {}


def measure_table(
    connection: "DuckDBPyConnection", source: TableSource, types: dict[str, str], until: datetime
) -> TableMeasure:
    """Measure the rows whose instant is not after `until` (UTC); every row of a table without instants."""
    rows = known_rows(source, until)
    missing = [f"avg({missing_condition(name, types[name])}::INT)" for name in source.features]
    newest = f"max({quote(source.timestamp)})" if source.timestamp else "NULL"
    selected = ", ".join(["count(*)", newest, *missing])
    ((count, last, *shares),) = connection.execute(f"SELECT {selected} FROM {rows}").fetchall()
    gap, end = _largest_gap(connection, source.timestamp, rows) if source.timestamp else (None, None)
    return TableMeasure(
        rows=count,
        newest=last,
        largest_gap_seconds=None if gap is None else gap.total_seconds(),
        gap_end=end,
        null_rate=dict(zip(source.features, shares, strict=True)) if count else {},
    )


def newest_instant(connection: "DuckDBPyConnection", table: str, timestamp: str) -> datetime | None:
    """Return the newest instant (UTC) of all rows of a table expression; None when there are none."""
    query = f"SELECT max({quote(timestamp)}) FROM {table}"
    ((newest,),) = connection.execute(query).fetchall()
    moment: datetime | None = newest
    return moment


def known_rows(source: TableSource, until: datetime) -> str:
    """Return the table expression of the rows that are not after `until`."""
    if source.timestamp is None:
        return source.table
    return f"(SELECT * FROM {source.table} WHERE {instant_sql(source.timestamp)} <= {epoch_us(until)})"


def epoch_us(moment: datetime) -> str:
    """Return the moment as SQL: microseconds since 1970 UTC."""
    return f"epoch_us(TIMESTAMPTZ '{moment.isoformat()}')"


def _largest_gap(
    connection: "DuckDBPyConnection", timestamp: str, rows: str
) -> tuple[timedelta | None, datetime | None]:
    instants = f"SELECT DISTINCT {quote(timestamp)} AS seen FROM {rows}"
    gaps = f"SELECT seen, seen - lag(seen) OVER (ORDER BY seen) AS gap FROM ({instants})"
    ((gap, end),) = connection.execute(f"SELECT max(gap), arg_max(seen, gap) FROM ({gaps})").fetchall()
    return gap, end
