"""The two contract tables that every feature repository writes: examples and outcomes."""

from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pandas as pd

from features.errors import TableMissingError

EXAMPLES = "examples.parquet"
OUTCOMES = "outcomes.parquet"


class LabelLike(Protocol):
    """What is predicted: a column name and the DuckDB SQL expression over the outcome columns."""

    @property
    def name(self) -> str:
        """The label's column."""

    @property
    def expression(self) -> str:
        """DuckDB SQL over the columns of `outcomes.parquet`."""


def read_examples(tables: Path, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the examples with `start <= event_timestamp < end`, by `event_timestamp`, then `example_id`.

    Columns: `example_id`, every entity key, every request field, `event_timestamp` (the prediction instant);
    all timestamps are UTC.

    Raises:
        TableMissingError: `examples.parquet` is not in `tables`.
    """
    query = """
        SELECT * FROM read_parquet(?) WHERE event_timestamp >= ? AND event_timestamp < ?
        ORDER BY event_timestamp, example_id
    """
    return _query(query, [_existing(tables / EXAMPLES), start, end])


def read_labels(tables: Path, label: LabelLike, as_of: datetime) -> pd.DataFrame:
    """Return the labels that had arrived by `as_of`: `example_id`, the label's own column, `known_at` (UTC).

    An example whose label is null, or was never known, or becomes known only after `as_of` has no row.

    Raises:
        TableMissingError: `outcomes.parquet` is not in `tables`.
    """
    column = '"' + label.name.replace('"', '""') + '"'
    query = f"""
        SELECT * FROM (SELECT example_id, ({label.expression}) AS {column}, known_at FROM read_parquet(?))
        WHERE known_at <= ? AND {column} IS NOT NULL ORDER BY known_at, example_id
    """
    return _query(query, [_existing(tables / OUTCOMES), as_of])


def _existing(table: Path) -> str:
    if not table.exists():
        raise TableMissingError(f"{table} is not there; build the tables with `python -m features build`")
    return f"{table}/*.parquet" if table.is_dir() else str(table)


def _query(sql: str, parameters: list[Any]) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql, parameters).df()
