"""The as-of store answers row for row as Feast's own DuckDB store does, over random small worlds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from feast.types import Bool, Float64, Int64, String
from hypothesis import given, settings
from hypothesis import strategies as st

from features.offline import engine
from features.offline.store import AsOfOfflineStore

FEW, MANY = 24, 500
OURS = "features.offline.store.AsOfOfflineStore"
# Fewer than are asked, so that answers are put together from slices.
SLICE_ROWS = 3
START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)
INSTANT = pa.timestamp("us", tz="UTC")
TTLS = [timedelta(0), STEP, 3 * STEP, timedelta(days=400)]

# Few keys and few instants, so that ties and exact TTL boundaries are common.
names = st.sampled_from(["1", "11"])
numbers = st.sampled_from([1, 11])
steps = st.integers(0, 8)
maybe = st.none()


@dataclass(frozen=True)
class World:
    """Rows of a view with one key and creation times, of one with two keys and renamed columns, and asked."""

    readings: list[dict[str, Any]]
    loads: list[dict[str, Any]]
    season: list[dict[str, Any]]
    asked: list[dict[str, Any]]
    ttls: tuple[timedelta, timedelta, timedelta]
    full_names: bool
    known_only: bool
    alias: bool


def unique(*columns: str) -> Any:
    return lambda row: tuple(row[column] for column in columns)


# Of rows alike in key, event time and creation time Feast takes any, so there are none.
readings = st.lists(
    st.fixed_dictionaries(
        {
            "device": names | names | maybe,
            "seen": steps,
            "created": steps | steps | maybe,
            "raw_level": st.floats(-9, 9) | maybe,
            "mode": names | maybe,
        }
    ),
    min_size=4,
    max_size=16,
    unique_by=unique("device", "seen", "created"),
)
loads = st.lists(
    st.fixed_dictionaries(
        {
            "site_id": numbers | maybe,
            "device": names,
            "happened": steps,
            "count": st.integers(-(2**60), 2**60) | maybe,
            "open": st.booleans() | maybe,
        }
    ),
    max_size=14,
    unique_by=unique("site_id", "device", "happened"),
)
season = st.lists(
    st.fixed_dictionaries({"event_timestamp": steps, "index": st.floats(0, 1) | maybe}),
    max_size=4,
    unique_by=unique("event_timestamp"),
)
asked = st.lists(
    st.fixed_dictionaries({"device": names | maybe, "site": numbers | maybe, "event_timestamp": steps}),
    min_size=4,
    max_size=10,
)
worlds = st.builds(
    World,
    readings=readings,
    loads=loads,
    season=season,
    asked=asked,
    ttls=st.tuples(*[st.sampled_from(TTLS)] * 3),
    full_names=st.booleans(),
    known_only=st.booleans(),
    alias=st.booleans(),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Any:
    """An empty registry: the stores ask it for on-demand views."""
    return FeatureStore(config=make_config(folder, "duckdb")).registry


def make_config(folder: Path, offline: str) -> RepoConfig:
    return RepoConfig(
        project="worlds",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": offline, **({"slice_rows": SLICE_ROWS} if offline == OURS else {})},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        repo_path=folder,
        entity_key_serialization_version=3,
    )


def write(path: Path, rows: list[dict[str, Any]], schema: dict[str, pa.DataType]) -> None:
    times = [name for name, kind in schema.items() if kind == INSTANT]
    moved = [row | {name: instant(row[name]) for name in times} for row in rows]
    pq.write_table(pa.Table.from_pylist(moved, pa.schema(schema)), path)


def instant(step: int | None) -> datetime | None:
    return None if step is None else START + step * STEP


def write_tables(world: World, folder: Path) -> None:
    reading = {"device": pa.string(), "seen": INSTANT, "created": INSTANT}
    write(
        folder / "readings.parquet",
        world.readings,
        {**reading, "raw_level": pa.float64(), "mode": pa.string()},
    )
    load = {"site_id": pa.int64(), "device": pa.string(), "happened": INSTANT}
    write(folder / "loads.parquet", world.loads, {**load, "count": pa.int64(), "open": pa.bool_()})
    write(folder / "season.parquet", world.season, {"event_timestamp": INSTANT, "index": pa.float64()})


def fields(**types: Any) -> list[Field]:
    return [Field(name=name, dtype=dtype) for name, dtype in types.items()]


def make_views(world: World, folder: Path) -> list[FeatureView]:
    device = Entity(name="device", value_type=ValueType.STRING)
    site = Entity(name="site", value_type=ValueType.INT64)
    view = FeatureView(
        name="readings",
        entities=[device],
        ttl=world.ttls[0],
        schema=[
            Field(name=n, dtype=t) for n, t in (("device", String), ("level", Float64), ("mode", String))
        ],
        source=FileSource(
            path=str(folder / "readings.parquet"),
            timestamp_field="seen",
            created_timestamp_column="created",
            field_mapping={"raw_level": "level"},
        ),
    )
    two_keys = FeatureView(
        name="loads",
        entities=[site, device],
        ttl=world.ttls[1],
        schema=fields(site=Int64, device=String, count=Int64, open=Bool),
        source=FileSource(
            path=str(folder / "loads.parquet"),
            timestamp_field="at",
            field_mapping={"site_id": "site", "happened": "at"},
        ),
    )
    keyless = FeatureView(
        name="season",
        entities=[],
        ttl=world.ttls[2],
        schema=[Field(name="index", dtype=Float64)],
        source=FileSource(path=str(folder / "season.parquet"), timestamp_field="event_timestamp"),
    )
    for each, keys in ((view, ["device"]), (two_keys, ["site", "device"])):
        each.entity_columns = [f for f in each.schema if f.name in keys]
    if world.alias:
        view = view.with_name("origin").with_join_key_map({"device": "origin_device"})
    return [view, two_keys, keyless]


def retrieve(store: Any, world: World, folder: Path, registry: Any, offline: str) -> list[dict[str, Any]]:
    views = make_views(world, folder)
    first = views[0].projection.name_to_use()
    frame = pd.DataFrame(world.asked).assign(
        row=range(len(world.asked)), site=pd.array([row["site"] for row in world.asked], dtype="Int64")
    )
    frame["event_timestamp"] = [instant(row["event_timestamp"]) for row in world.asked]
    if world.alias:
        frame["origin_device"] = frame["device"]
    job = store.get_historical_features(
        make_config(folder, offline),
        views,
        [f"{first}:level", f"{first}:mode", "loads:count", "loads:open", "season:index"],
        frame,
        registry,
        "worlds",
        world.full_names,
        filter_by_created_timestamp=world.known_only,
    )
    return sorted(job.to_arrow().to_pylist(), key=lambda row: row["row"])


@pytest.fixture(params=["held", "spilling"])
def joined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to join: sources held in memory, and sources too large for it."""
    if request.param == "spilling":
        monkeypatch.setattr(engine, "HELD_COLUMNS", 0)


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_every_row_is_answered_as_by_feasts_own_store(examples: int, folder: Path, registry: Any) -> None:
    @settings(max_examples=examples, derandomize=True, database=None)
    @given(world=worlds)
    def compare(world: World) -> None:
        write_tables(world, folder)
        ours = retrieve(AsOfOfflineStore, world, folder, registry, OURS)
        theirs = retrieve(DuckDBOfflineStore, world, folder, registry, "duckdb")
        assert [row["row"] for row in ours] == list(range(len(world.asked)))
        assert ours == theirs

    compare()
