"""Where table expressions run: what DuckDB and Spark have in common."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa

Sources = Mapping[str, ir.Table]
Builder = Callable[[Sources], ir.Table]
Write = Callable[[ir.Table, Path], None]


class Engine(Protocol):
    """Holds the raw tables where expressions can reach them, and writes what comes of an expression."""

    def __call__(
        self, raw: Mapping[str, pa.Table], intermediate: Mapping[str, Builder], scratch: Path
    ) -> AbstractContextManager[tuple[Sources, Write]]:
        """Open the sources and the writer of Parquet tables.

        Sources are the raw tables by name, then the intermediate ones, each computed once from those before.
        `scratch` is a folder for temporary files; a table is written as a file or a folder of files.
        """
