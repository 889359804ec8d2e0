"""Whether a table's files have the columns that they should, of the right kind, with exact timestamps."""

from collections.abc import Iterator

from features.offline.checks import ALL_NULL, WHOLE, ZONED
from features.offline.parquet_sql import quote
from features.quality.source import ColumnKind, TableSource
from features.quality.violation import Violation

FITTING: dict[ColumnKind, tuple[str, ...]] = {
    "text": ("VARCHAR",),
    "whole": tuple(WHOLE),
    "number": ("DOUBLE", "FLOAT", "DECIMAL", *WHOLE),
    "truth": ("BOOLEAN",),
    "instant": (ZONED,),
}
ADD = "write it into the table, or take it out of the view's schema and run `python -m features apply`"
CAST = "cast it where the table is written, or change the field's type and run `python -m features apply`"
ZONE = "say which zone it is in where the table is written: `frame[name].dt.tz_localize('UTC')`"
MICROSECONDS = "write microseconds: `frame.to_parquet(path, coerce_timestamps='us')`"


def find_layout_violations(types: dict[str, str], source: TableSource) -> list[Violation]:
    """Return the columns that are missing or are not what they should be."""
    return [found for name, kind in source.columns.items() for found in _check_column(name, kind, types)]


def _check_column(name: str, kind: ColumnKind | None, types: dict[str, str]) -> Iterator[Violation]:
    found = types.get(name)
    if found is None:
        yield Violation(name, "column is there", "no such column", ADD)
    elif kind == "instant" and found != ZONED:
        yield _inexact_instant(name, found)
    elif kind is not None and not found.startswith((*FITTING[kind], ALL_NULL)):
        yield Violation(name, f"column is {kind}", found, CAST)


def _inexact_instant(name: str, found: str) -> Violation:
    if found.endswith("_NS"):
        return Violation(name, "timestamps in microseconds", f"nanoseconds ({found})", MICROSECONDS)
    if found.startswith("TIMESTAMP"):
        return Violation(name, "timestamps with a zone", f"none ({found})", ZONE)
    return Violation(name, "timestamps", found, f"{CAST}; {MICROSECONDS}")


def missing_condition(name: str, dtype: str) -> str:
    """Return the SQL that is true where the column has no value; NaN counts as none."""
    column = quote(name)
    return f"({column} IS NULL OR isnan({column}))" if dtype in ("DOUBLE", "FLOAT") else f"({column} IS NULL)"
