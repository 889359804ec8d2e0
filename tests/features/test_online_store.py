"""The online store keeps the newest row per key, nulls included, and lets Feast at it: in every database."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from features.apply import apply_repository
from features.errors import OnlineStoreError
from features.online.database import NewRow, RowDatabase
from features.online.databases import open_rows
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.online_servers import STORES, Servers, stored_rows
from tests.features.small_world import DEVICES, HOURS, SITES, START, build_world

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LOAD = ["site_load:load", "site_load:open"]
STEPS = 20
SEED, ORDERS = 5, 10


@pytest.fixture(params=STORES)
def address(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> str:
    return servers.fresh_address(request.param, tmp_path)


@pytest.fixture
def settings(tmp_path: Path, address: str) -> FeatureSettings:
    return build_world(tmp_path, online_store=address)


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


def test_unknown_keys_are_absent(store: FeatureStore) -> None:
    answer = store.get_online_features(["readings:level"], [{"device": name} for name in [*DEVICES, "new"]])
    assert answer.to_dict()["level"] == [None] * 7


@pytest.fixture
def rows(address: str) -> RowDatabase:
    """A database with two tables, laid out and empty."""
    rows = open_rows(address)
    rows.lay_out(["a", "b"])
    return rows


def fetch(rows: RowDatabase, *keys: bytes) -> dict[bytes, tuple[int, bytes]]:
    return rows.fetch({"a": list(keys)})["a"]


def test_a_batch_ends_as_its_rows_written_in_turn(rows: RowDatabase, address: str) -> None:
    # given: one key again and again: older, newer, of one instant with and without a creation time
    batch: list[NewRow] = [
        (b"k", 5, None, b"first"),
        (b"k", 5, None, b"again"),
        (b"k", 4, 9, b"older"),
        (b"k", 5, 7, b"created"),
        (b"k", 5, 6, b"created before"),
        (b"l", -(2**53) - 1, -3, b""),
    ]
    # when
    rows.upsert({"a": batch, "b": batch[:3]})
    # then
    assert stored_rows(address) == {
        ("a", b"k"): (5, 7, b"created"),
        ("a", b"l"): (-(2**53) - 1, -3, b""),
        ("b", b"k"): (5, None, b"again"),
    }


def test_rows_in_any_order_and_any_batches_leave_the_newest(rows: RowDatabase, address: str) -> None:
    # given: many rows of few keys, no two of a key at one event and creation time
    random = np.random.default_rng(SEED)
    ranks = [(event, created) for event in range(12) for created in (None, 3, 8)]
    written = [(bytes([key]), event, created, b"%d" % event) for key in range(8) for event, created in ranks]
    newest = {("a", bytes([key])): (11, 8, b"11") for key in range(8)}
    for _ in range(ORDERS):
        order = [written[position] for position in random.permutation(len(written))]
        cuts = [0, *sorted(random.integers(0, len(order), 5)), len(order)]
        # when
        rows.clear(["a"])
        for start, end in pairwise(cuts):
            rows.upsert({"a": order[start:end]})
        # then
        assert stored_rows(address) == newest


def test_event_times_are_compared_to_the_microsecond_however_far(rows: RowDatabase) -> None:
    # given: an event in the year 292,000; two such differ by less than a double can hold
    far = 2**63 - 2
    rows.upsert({"a": [(b"k", far, None, b"old")]})
    # when
    rows.upsert({"a": [(b"k", far + 1, None, b"new")]})
    rows.upsert({"a": [(b"k", far, None, b"older")]})
    # then
    assert fetch(rows, b"k") == {b"k": (far + 1, b"new")}


def test_many_rows_are_written_and_found(rows: RowDatabase) -> None:
    keys = [number.to_bytes(4, "big") for number in range(25_000)]
    rows.upsert({"a": [(key, 1, None, key) for key in keys]})
    assert fetch(rows, *keys) == {key: (1, key) for key in keys}
    assert rows.fetch({}) == {}
    assert fetch(rows) == {}


def test_clearing_forgets_rows_and_keeps_the_layout(rows: RowDatabase) -> None:
    rows.upsert({"a": [(b"k", 5, None, b"new")], "b": [(b"k", 5, None, b"new")]})
    rows.clear(["a"])
    assert rows.fetch({"a": [b"k"], "b": [b"k"]}) == {"a": {}, "b": {b"k": (5, b"new")}}
    rows.upsert({"a": [(b"k", 4, None, b"older")]})
    assert fetch(rows, b"k") == {b"k": (4, b"older")}


def test_what_was_never_laid_out_is_neither_read_nor_written(rows: RowDatabase, address: str) -> None:
    rows.drop(["b"])
    with pytest.raises(OnlineStoreError, match="python -m features apply"):
        rows.fetch({"a": [b"k"], "b": [b"k"]})
    with pytest.raises(OnlineStoreError, match="python -m features apply"):
        rows.upsert({"a": [(b"k", 1, None, b"")], "b": [(b"k", 1, None, b"")]})
    assert not stored_rows(address)


def test_writers_at_once_leave_the_newest(rows: RowDatabase, address: str) -> None:
    # given: writers with a connection each, the rows of each in another order
    keys = [bytes([number]) for number in range(50)]

    def write(event: int) -> None:
        ordered = keys if event % 2 else list(reversed(keys))
        open_rows(address).upsert({"a": [(key, event, None, bytes([event])) for key in ordered]})

    # when
    writers = [threading.Thread(target=write, args=(event,)) for event in range(1, 9)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    # then
    assert fetch(rows, *keys) == {key: (8, bytes([8])) for key in keys}


def test_a_reader_sees_whole_batches(rows: RowDatabase, address: str) -> None:
    # given: a writer that moves two tables forward together
    done = threading.Event()
    rows.upsert({table: [(b"k", 0, None, b"")] for table in ("a", "b")})

    def write() -> None:
        step = 0
        while not done.is_set():
            step += 1
            rows.upsert({table: [(b"k", step, None, b"")] for table in ("a", "b")})

    writer = threading.Thread(target=write)
    writer.start()
    # when
    reader, seen = open_rows(address), set[int]()
    try:
        while len(seen) < STEPS:
            found = reader.fetch({"a": [b"k"], "b": [b"k"]})
            seen.add(found["a"][b"k"][0])
            # then
            assert found["a"] == found["b"]
    finally:
        done.set()
        writer.join()


def test_a_connection_that_the_server_dropped_is_replaced(
    rows: RowDatabase, servers: Servers, address: str
) -> None:
    rows.upsert({"a": [(b"k", 1, None, b"")]})
    servers.drop_connections(address)
    assert fetch(rows, b"k") == {b"k": (1, b"")}
    servers.drop_connections(address)
    rows.upsert({"a": [(b"k", 2, None, b"")]})
    assert fetch(rows, b"k") == {b"k": (2, b"")}


def test_a_torn_down_repository_leaves_no_rows(
    settings: FeatureSettings, store: FeatureStore, address: str
) -> None:
    write(store, NOON, 1.0)
    store.teardown()
    assert not stored_rows(address)
