"""Compare two folders of feature tables row for row, files or folders of files alike."""

from pathlib import Path

import duckdb


def parquet_of(table: Path) -> str:
    return f"read_parquet('{table}/*.parquet')" if table.is_dir() else f"read_parquet('{table}')"


def layout_of(table: Path) -> list[tuple[str, str]]:
    """Return column names and types, in order."""
    with duckdb.connect() as connection:
        described = connection.sql(f"DESCRIBE SELECT * FROM {parquet_of(table)}").fetchall()
    return [(name, kind) for name, kind, *_ in described]


def rows_in(table: Path) -> int:
    with duckdb.connect() as connection:
        return int(connection.sql(f"SELECT count(*) FROM {parquet_of(table)}").fetchall()[0][0])


def rows_missing(left: Path, right: Path) -> int:
    """Return how many rows of `left` are not in `right`, counting repeats; equal means to the last bit."""
    query = f"SELECT count(*) FROM (FROM {parquet_of(left)} EXCEPT ALL FROM {parquet_of(right)})"
    with duckdb.connect() as connection:
        return int(connection.sql(query).fetchall()[0][0])
