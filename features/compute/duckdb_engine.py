"""Runs table expressions on DuckDB in this process: one machine, one file per table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.compute.engine import Builder, Sources, Write

THREADS: Final = 2
MEMORY_LIMIT: Final = "1GB"
INSTANT: Final = "event_timestamp"


@contextmanager
def open_duckdb(
    raw: Mapping[str, pa.Table],
    intermediate: Mapping[str, Builder],
    scratch: Path,  # noqa: ARG001 - all is held in memory
) -> Iterator[tuple[Sources, Write]]:
    """Hold the tables in a database in memory; what is written is in a fixed order."""
    backend = ibis.duckdb.connect(threads=THREADS, memory_limit=MEMORY_LIMIT)
    try:
        backend.raw_sql("SET TimeZone = 'UTC'")
        sources = {name: backend.create_table(name, table) for name, table in raw.items()}
        for name, builder in intermediate.items():
            sources[name] = backend.create_table(name, builder(sources))

        def write(table: ir.Table, path: Path) -> None:
            backend.to_parquet(in_order(table), path, compression="zstd")

        yield sources, write
    finally:
        backend.disconnect()


def in_order(table: ir.Table) -> ir.Table:
    """Order the rows by their instant, then by all else: threads leave them in an order of their own.

    Two builds of the same raw files are then the same bytes, which lineage tells apart by their digest.
    """
    return table.order_by(
        sorted(table.columns, key=lambda name: (name != INSTANT, table.columns.index(name)))
    )
