"""The online store keeps the newest row per key, nulls included, and lets Feast and other processes at it."""

import multiprocessing
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import FeatureStore
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, String

from features.errors import OnlineStoreError
from features.online_codec import KeyEncoder, decode_row, row_encoder
from features.online_db import RowReader, connect_writer, create_table, upsert_rows
from features.settings import FeatureSettings
from features.store import apply_repository, open_store
from tests.features.small_world import DEVICES, HOURS, SITES, START, build_world
from tests.features.step_writer import write_in_step

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LOAD = ["site_load:load", "site_load:open"]


@pytest.fixture
def settings(tmp_path: Path) -> FeatureSettings:
    return build_world(tmp_path)


@pytest.fixture
def store(settings: FeatureSettings) -> FeatureStore:
    return open_store(settings)


def write(store: FeatureStore, at: datetime, level: float | None, created: datetime | None = None) -> None:
    view = store.get_feature_view("readings")
    key = EntityKey(join_keys=["device"], entity_values=[Value(string_val="d0")])
    values = {"level": Value() if level is None else Value(double_val=level)}
    online = store._get_provider().online_store
    online.online_write_batch(store.config, view, [(key, values, at, created)], None)


def read_level(store: FeatureStore) -> float | None:
    answer = store.get_online_features(["readings:level"], [{"device": "d0"}]).to_dict()
    level: float | None = answer["level"][0]
    return level


def test_an_older_event_never_overwrites_a_newer_one(store: FeatureStore) -> None:
    write(store, NOON, 1.0)
    write(store, NOON - timedelta(microseconds=1), 2.0)
    assert read_level(store) == 1.0
    write(store, NOON + timedelta(microseconds=1), 3.0)
    assert read_level(store) == 3.0


def test_creation_time_decides_between_events_of_one_instant(store: FeatureStore) -> None:
    write(store, NOON, 1.0, created=NOON + timedelta(hours=1))
    write(store, NOON, 2.0, created=NOON)
    assert read_level(store) == 1.0
    write(store, NOON, 3.0, created=NOON + timedelta(hours=2))
    assert read_level(store) == 3.0


def test_an_all_null_row_replaces_the_value_before_it(store: FeatureStore) -> None:
    write(store, NOON, 1.0)
    write(store, NOON + timedelta(hours=1), None)
    assert read_level(store) is None


def test_feast_reads_back_the_event_time_to_the_microsecond(store: FeatureStore) -> None:
    # given
    at = NOON + timedelta(microseconds=123_456)
    write(store, at, 1.0)
    # when
    key = EntityKey(join_keys=["device"], entity_values=[Value(string_val="d0")])
    online, view = store._get_provider().online_store, store.get_feature_view("readings")
    # then
    assert online.online_read(store.config, view, [key])[0][0] == at


def test_feast_materializes_the_newest_rows(settings: FeatureSettings, store: FeatureStore) -> None:
    # when
    end = START + timedelta(hours=HOURS)
    store.materialize(START, end)
    # then
    table = pd.read_parquet(settings.tables / "site_load.parquet").sort_values("event_timestamp")
    newest = table.groupby("site").tail(1).set_index("site").loc[SITES]
    asked = [*LOAD, "season:season_index"]
    answer = store.get_online_features(asked, [{"site": site} for site in SITES]).to_dict()
    assert answer["load"] == pytest.approx(newest.load.tolist())
    assert answer["open"] == newest.open.tolist()
    assert answer["season_index"] == [0.25] * 3


def test_feast_pushes_and_writes(store: FeatureStore) -> None:
    # given
    row = pd.DataFrame({"site": [1], "event_timestamp": [NOON], "load": [0.5], "open": [True]})
    # when
    store.push("site_load_push", row)
    store.write_to_online_store("site_load", row.assign(event_timestamp=NOON - timedelta(hours=1), load=9.0))
    # then
    assert store.get_online_features(LOAD, [{"site": 1}]).to_dict()["load"] == [0.5]


def test_applying_again_keeps_what_is_stored(settings: FeatureSettings, store: FeatureStore) -> None:
    write(store, NOON, 1.0)
    apply_repository(settings)
    assert read_level(open_store(settings)) == 1.0


@pytest.mark.parametrize(
    "row", [{"site": 3, "device": "d1"}, {"site": -1, "device": ""}, {"site": 0, "device": "é"}]
)
def test_keys_are_feasts_own_bytes(row: dict[str, Any]) -> None:
    values = [Value(int64_val=row["site"]), Value(string_val=row["device"])]
    key = EntityKey(join_keys=["site", "device"], entity_values=values)
    encode = KeyEncoder({"site": "site", "device": "device"}, {"site": Int64, "device": String})
    assert encode(row) == serialize_entity_key(key, 3)


@pytest.mark.parametrize("site", [None, float("nan"), "1", 1.5, 2**70, True])
def test_a_value_that_is_no_key_matches_nothing(site: object) -> None:
    assert KeyEncoder({"site": "site"}, {"site": Int64})({"site": site}) is None
    assert KeyEncoder({"site": "site"}, {"site": Int64})({}) is None


def test_rows_come_back_as_they_were() -> None:
    types = {"level": Float64, "mode": String, "count": Int64, "gone": Float64, "nan": Float64}
    row = row_encoder(types)([0.1 + 0.2, "low", 7, None, float("nan")])
    assert decode_row(row) == {"level": 0.1 + 0.2, "mode": "low", "count": 7, "gone": None, "nan": None}


def test_a_reader_follows_a_replaced_file_and_names_what_is_wrong(tmp_path: Path) -> None:
    # given
    path = tmp_path / "online.db"
    reader = RowReader(path)
    with pytest.raises(OnlineStoreError, match="features apply"):
        reader.fetch({"t": [b"k"]})
    # when: it is there, then replaced, then damaged
    for event in (1, 2):
        path.unlink(missing_ok=True)
        fill(path, event)
        assert reader.fetch({"t": [b"k"]}) == {"t": {b"k": (event, b"row")}}
    path.unlink()
    path.write_bytes(b"this is no database at all" * 100)
    # then
    with pytest.raises(OnlineStoreError, match="delete it"):
        reader.fetch({"t": [b"k"]})


def fill(path: Path, event: int) -> None:
    connection = connect_writer(path)
    create_table(connection, "t")
    upsert_rows(connection, {"t": [(b"k", event, None, b"row")]})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_a_locked_file_is_named_as_such(tmp_path: Path) -> None:
    # given: another connection holds it alone
    path = tmp_path / "online.db"
    fill(path, 1)
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    # then
    with pytest.raises(OnlineStoreError, match="another process"):
        RowReader(path).fetch({"t": [b"k"]})
    holder.close()


def test_readers_see_whole_transactions_while_another_process_writes(tmp_path: Path) -> None:
    # given: a process that moves two tables forward together
    path = tmp_path / "online.db"
    connection = connect_writer(path)
    for table in ("a", "b"):
        create_table(connection, table)
    upsert_rows(connection, {table: [(b"k", 0, None, b"")] for table in ("a", "b")})
    writer = multiprocessing.get_context("spawn").Process(target=write_in_step, args=(path, 300))
    writer.start()
    # when
    reader, seen = RowReader(path), set()
    while writer.is_alive():
        found = reader.fetch({"a": [b"k"], "b": [b"k"]})
        assert found["a"] == found["b"]
        seen.add(found["a"][b"k"][0])
    writer.join()
    # then
    assert writer.exitcode == 0
    assert len(seen) > 1
    assert reader.fetch({"a": [b"k"]})["a"][b"k"][0] == 300


def test_unknown_keys_are_absent(store: FeatureStore) -> None:
    answer = store.get_online_features(["readings:level"], [{"device": name} for name in [*DEVICES, "new"]])
    assert answer.to_dict()["level"] == [None] * 7
