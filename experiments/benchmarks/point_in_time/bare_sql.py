"""The join written by hand for DuckDB, with the same rules: time to live, ties, known by then."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from feast import FeatureView

from experiments.benchmarks.point_in_time.world import table_name
from features.schema.views import join_keys


def bare_query(views: Sequence[FeatureView], tables: Path, entities: str) -> str:
    """A chain of as-of joins from `entities` (a table with `row`, the keys and `event_timestamp`).

    Of rows that tie on key and time the last in the file is taken; a row older than its view's time to live
    answers nulls.
    """
    columns = ", ".join(_column(view, feature.name) for view in views for feature in view.features)
    joins = "\n".join(_join(view, tables) for view in views)
    return f"SELECT e.* EXCLUDE (row), {columns}\nFROM {entities} e\n{joins}\nORDER BY e.row"


def _column(view: FeatureView, feature: str) -> str:
    if not view.ttl:
        return f"{view.name}.{feature}"
    oldest = f"e.event_timestamp - INTERVAL {view.ttl // timedelta(seconds=1)} SECOND"
    return f"CASE WHEN {view.name}.event_timestamp >= {oldest} THEN {view.name}.{feature} END AS {feature}"


def _join(view: FeatureView, tables: Path) -> str:
    keys = list(join_keys(view))
    partition = ", ".join([*keys, "event_timestamp"])
    path = tables / table_name(view)
    source = path / "*.parquet" if path.is_dir() else path
    newest = (
        f"SELECT * EXCLUDE (file_row_number) FROM read_parquet('{source}', file_row_number = true) "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY file_row_number DESC) = 1"
    )
    matches = " AND ".join(f"e.{key} = {view.name}.{key}" for key in keys)
    instant = f"e.event_timestamp >= {view.name}.event_timestamp"
    return f"ASOF LEFT JOIN ({newest}) {view.name} ON {matches} AND {instant}"
