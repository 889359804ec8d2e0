"""The two contract tables that every feature repository writes: examples and outcomes.

Rows may be delivered more than once: what is repeated counts once. A later row may correct an outcome.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from features.errors import ContradictionError, TableMissingError
from features.offline.asof_sql import connect_utc
from features.offline.parquet_sql import FILE, ROW_IN_FILE, column_types, local_files, parquet_table, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EXAMPLES = "examples.parquet"
OUTCOMES = "outcomes.parquet"
INGESTED_AT = "ingested_at"
NANOSECONDS = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")
SHOWN = 5
# What each example was last said to be, and since when it was known to be that.
LATEST = """
    WITH known AS (
        SELECT *, max(known_at) OVER (PARTITION BY example_id) AS __latest
        FROM (
            SELECT example_id, ({expression}) AS {label}, known_at, {ingested} AS ingested_at
            FROM {table}
        )
        WHERE known_at <= ?
    ), latest AS (
        SELECT example_id, max({label}) AS {label}, min({label}) <> max({label}) AS __contradicted
        FROM known WHERE known_at = __latest GROUP BY example_id
    )
    SELECT example_id, {label}, min(known_at) AS known_at, min(ingested_at) AS ingested_at,
        any_value(__contradicted) AS __contradicted
    FROM latest JOIN known USING (example_id, {label})
    GROUP BY example_id, {label} ORDER BY known_at, example_id
"""


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
    all timestamps are UTC. A row that is there twice counts once.

    Raises:
        TableMissingError: `examples.parquet` is not in `tables`.
        ContradictionError: rows of one example differ.
    """
    with connect_utc() as connection:
        query = f"""
            SELECT * FROM {_existing(connection, tables / EXAMPLES)}
            WHERE event_timestamp >= ? AND event_timestamp < ? ORDER BY event_timestamp, example_id
        """
        examples = connection.execute(query, [start, end]).df()
    if examples["example_id"].is_unique:
        return examples
    once = examples.drop_duplicates(ignore_index=True)
    _refuse_contradictions(once.loc[once["example_id"].duplicated(), "example_id"], EXAMPLES)
    return once


def read_labels(tables: Path, label: LabelLike, as_of: datetime) -> pd.DataFrame:
    """Return the labels that had arrived by `as_of`: `example_id`, the label's own column, `known_at` (UTC).

    One row an example: of corrections the latest one known by `as_of` counts, `known_at` is when that label
    was first known, and one that was taken back (a later row without it) is not there. An example whose label
    is null, or was never known, or becomes known only after `as_of` has no row.

    Raises:
        TableMissingError: `outcomes.parquet` is not in `tables`.
        ContradictionError: two labels of one example became known at the same moment, the latest.
    """
    return read_ingested_labels(tables, label, as_of).drop(columns=INGESTED_AT)


def read_ingested_labels(tables: Path, label: LabelLike, as_of: datetime) -> pd.DataFrame:
    """Return the labels of `read_labels` with `ingested_at` (UTC): when each reached the table.

    Outcomes say so in a column of that name; of those without one, `known_at` is all that is known of it.
    """
    with connect_utc() as connection:
        table = _existing(connection, tables / OUTCOMES)
        said = column_types(connection, table)
        query = LATEST.format(
            table=table,
            expression=label.expression,
            label=quote(label.name),
            ingested=f"coalesce({INGESTED_AT}, known_at)" if INGESTED_AT in said else "known_at",
        )
        labels = connection.execute(query, [as_of]).df()
    _refuse_contradictions(labels.loc[labels["__contradicted"], "example_id"], OUTCOMES)
    return labels.drop(columns="__contradicted")


def _refuse_contradictions(ids: pd.Series, table: str) -> None:
    if len(ids):
        shown = ", ".join(map(str, ids.head(SHOWN)))
        raise ContradictionError(
            f"{table} says different things of {len(ids)} example_id, such as {shown}; keep one row of each, "
            "or deliver a correction of an outcome with a later known_at"
        )


def _existing(connection: "DuckDBPyConnection", table: Path) -> str:
    """Return the table's expression; nanoseconds, which pandas writes by default, as microseconds."""
    files = local_files(table) if table.exists() else []
    if not files:
        raise TableMissingError(f"{table} is not there; build the tables with `python -m features build`")
    rows = parquet_table(files)
    types = column_types(connection, rows)
    if len(files) > 1:  # where these differ in types, the expression also has the place of each row
        types = {name: kind for name, kind in types.items() if name not in (FILE, ROW_IN_FILE)}
    return f"(SELECT {', '.join(_in_microseconds(*column) for column in types.items())} FROM {rows})"


def _in_microseconds(name: str, kind: str) -> str:
    return f"{quote(name)}::TIMESTAMPTZ AS {quote(name)}" if kind in NANOSECONDS else quote(name)
