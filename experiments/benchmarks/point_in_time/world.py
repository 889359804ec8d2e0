"""What the join is measured on: one year of built tables, and that year laid behind itself many times."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
from feast import FeatureStore, FeatureView, FileSource

from features.apply import apply_repository
from features.contract import EXAMPLES
from features.repository.build import run_build
from features.repository.feature_store import open_store
from features.schema.views import join_keys
from features.settings import FeatureSettings

# Whole weeks, so that weekdays stay what they are.
YEAR = timedelta(weeks=52)
ENTITIES = "entities.parquet"


@dataclass(frozen=True)
class World:
    """Applied feature repository, its tables, and entity rows to ask about (keys and `event_timestamp`)."""

    settings: FeatureSettings
    entities: Path
    rows: int


def prepare_year(settings: FeatureSettings) -> World:
    """Build and apply the repository under `settings.var` unless it is there; ask about every example."""
    if not settings.registry_db.is_file():
        run_build(settings)
        apply_repository(settings)
    entities = settings.features_dir / ENTITIES
    keys = ", ".join(sorted(key_names(stored_views(open_store(settings)))))
    examples = settings.tables / EXAMPLES
    with connect() as connection:
        connection.execute(
            f"COPY (SELECT {keys}, event_timestamp FROM read_parquet('{examples}')) TO '{entities}'"
        )
    return World(settings, entities, count_rows(entities))


def tile_years(year: World, rows: int, folder: Path) -> World:
    """Lay the year behind itself until it has `rows` entity rows; what expires is laid out as often.

    A view's table becomes a folder of one file a year, shared by all sizes under `folder`. What never expires
    stays one file.
    """
    settings = year.settings.model_copy(update={"var": folder / f"{rows}"})
    settings.tables.mkdir(parents=True, exist_ok=True)
    years = -(-rows // year.rows)
    for view in stored_views(open_store(year.settings)):
        name = table_name(view)
        if view.ttl:
            _link_years(year.settings.tables / name, folder / "years" / name, settings.tables / name, years)
        else:
            _hard_link(year.settings.tables / name, settings.tables / name)
    entities = settings.features_dir / ENTITIES
    shifted = " UNION ALL ".join(_shifted(year.entities, number) for number in range(years))
    with connect() as connection:
        connection.execute(f"COPY (SELECT * FROM ({shifted}) LIMIT {rows}) TO '{entities}'")
    _hard_link(year.settings.registry_db, settings.registry_db)
    return World(settings, entities, rows)


def stored_views(store: FeatureStore) -> list[FeatureView]:
    """Every stored view, by name."""
    return sorted(store.list_feature_views(), key=lambda view: str(view.name))


def key_names(views: Sequence[FeatureView]) -> set[str]:
    """The join keys of all views."""
    return {key for view in views for key in join_keys(view)}


def references(views: Sequence[FeatureView]) -> list[str]:
    """Every feature of the views, as Feast names them."""
    return [f"{view.name}:{feature.name}" for view in views for feature in view.features]


def table_name(view: FeatureView) -> str:
    """The file or folder of the view's table, relative to the tables.

    Raises:
        TypeError: its source is not a file.
    """
    if not isinstance(view.batch_source, FileSource):
        raise TypeError(f"view {view.name!r} does not read a file; only file sources are measured")
    return str(view.batch_source.path)


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, its clock on UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def count_rows(path: Path) -> int:
    """How many rows a Parquet file has."""
    with connect() as connection:
        found = connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchone()
    return int(found[0]) if found else 0


def _link_years(table: Path, shared: Path, folder: Path, years: int) -> None:
    """Put one file a year into the folder; one that no size has needed before is written first."""
    for made in (shared, folder):
        made.mkdir(parents=True, exist_ok=True)
    for number in range(years):
        name = f"{number:02}.parquet"
        if not (shared / name).is_file():
            with connect() as connection:
                connection.execute(f"COPY ({_shifted(table, number)}) TO '{shared / name}'")
        _hard_link(shared / name, folder / name)


def _shifted(path: Path, number: int) -> str:
    later = f"event_timestamp + INTERVAL {YEAR.days * number} DAY AS event_timestamp"
    return f"SELECT * REPLACE ({later}) FROM read_parquet('{path}')"


def _hard_link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    os.link(source, target)
