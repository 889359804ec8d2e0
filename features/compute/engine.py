"""Where table expressions run: DuckDB in this process; `features.cluster` runs the same ones on Spark."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import ibis
import ibis.expr.types as ir

from features.legs import select_legs
from features.raw import RawTables

THREADS = 2
MEMORY_LIMIT = "1GB"
INSTANT = "event_timestamp"

Sources = Mapping[str, ir.Table]
Write = Callable[[ir.Table, Path], None]


class Engine(Protocol):
    """Holds the raw tables where expressions can reach them, and writes what comes of an expression."""

    def __call__(self, raw: RawTables, scratch: Path) -> AbstractContextManager[tuple[Sources, Write]]:
        """Open the sources (the raw tables by name, and `legs`) and the writer of Parquet tables.

        `scratch` is a folder for intermediate files; a table is written as a file or a folder of files.
        """


@contextmanager
def open_duckdb(raw: RawTables, scratch: Path) -> Iterator[tuple[Sources, Write]]:  # noqa: ARG001 - holds all in memory
    """Run on DuckDB: one machine, one file per table."""
    backend = ibis.duckdb.connect(threads=THREADS, memory_limit=MEMORY_LIMIT)
    try:
        backend.raw_sql("SET TimeZone = 'UTC'")
        sources = {name: backend.create_table(name, table) for name, table in vars(raw).items()}
        legs = select_legs(sources["flights"], sources["airports"])

        def write(table: ir.Table, path: Path) -> None:
            backend.to_parquet(in_order(table), path, compression="zstd")

        yield sources | {"legs": backend.create_table("legs", legs)}, write
    finally:
        backend.disconnect()


def in_order(table: ir.Table) -> ir.Table:
    """Order the rows by their instant, then by all else: threads leave them in an order of their own.

    Two builds of the same raw files are then the same bytes, which lineage tells apart by their digest.
    """
    return table.order_by(
        sorted(table.columns, key=lambda name: (name != INSTANT, table.columns.index(name)))
    )


def put_in_place(built: Path, tables: Path) -> Path:
    """Move a built table into the folder `tables`, over its predecessor, and return where it is now.

    A file replaces a file in one step. Where either is a folder, the predecessor is moved aside first.
    """
    target = tables / built.name
    if target.is_dir() or (target.exists() and built.is_dir()):
        shutil.move(target, built.with_name(f"{built.name}.before"))
    return built.replace(target)
