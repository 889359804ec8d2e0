"""A table to be checked: where it lies, and what its columns are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from features.offline.parquet_sql import parquet_table

ColumnKind = Literal["text", "whole", "number", "truth", "instant"]


@dataclass(frozen=True)
class TableSource:
    """One table as the `paths` of its files, read through `filesystem` if they are not local.

    `columns` has the kind of every column that must be there (None: any); `features` are those whose missing
    values are counted. A table without `timestamp` has no bounds in time.
    """

    view: str
    paths: tuple[str, ...]
    keys: tuple[str, ...]
    features: tuple[str, ...]
    columns: Mapping[str, ColumnKind | None]
    timestamp: str | None = None
    created: str | None = None
    filesystem: Any = None

    @cached_property
    def table(self) -> str:
        """The table expression of the files."""
        return parquet_table(self.paths, self.filesystem)

    @property
    def row_identity(self) -> list[str]:
        """The columns that no two rows share: keys, event time, creation time."""
        return [*self.keys, *(name for name in (self.timestamp, self.created) if name)]
