"""Retrievals beyond the plain one: what was known then, without entity rows, in slices, as SQL, streamed."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore, FileSource
from feast.infra.offline_stores.dask import DaskOfflineStore
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import connect_utc
from features.offline.historical import historical_batches, historical_features
from features.offline.job import AsOfRetrievalJob
from features.offline.store import AsOfOfflineStore
from features.repository.feature_store import open_store
from tests.features.offline_world import HOUR, LEVEL, NOON, ROWS, ask, levels, make_config, open_world
from tests.features.small_world import DEVICES, START, build_world, make_examples

SLICE_ROWS = 7
MANY_ROWS = 300_000
LITTLE_MEMORY = "64MB"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    folder = tmp_path_factory.mktemp("known")
    ROWS.to_parquet(folder / "levels.parquet")
    return open_world(folder)


def test_a_backfill_does_not_leak_into_what_was_known(store: FeatureStore) -> None:
    # given the reading of one o'clock, which was corrected at two
    asked = ask(("a", NOON + HOUR), ("a", NOON + 1.5 * HOUR), ("a", NOON + 2 * HOUR))
    # then history as corrected, and history as it was known
    assert levels(store.get_historical_features(asked, LEVEL)) == [3, 3, 3]
    known = store.get_historical_features(asked, LEVEL, filter_by_created_timestamp=True)
    assert levels(known) == [2, 2, 3]


def test_an_older_event_that_becomes_known_later_overtakes_nothing(tmp_path: Path) -> None:
    # given a reading of noon that arrives at three, after that of one o'clock
    late = ROWS.head(2).assign(created=[NOON + 3 * HOUR, NOON + HOUR])
    late.to_parquet(tmp_path / "levels.parquet", coerce_timestamps="us")
    store = open_world(tmp_path)
    # when
    asked = ask(*(("a", NOON + hours * HOUR) for hours in range(5)))
    known = store.get_historical_features(asked, LEVEL, filter_by_created_timestamp=True)
    # then it never wins, and what it was overtaken by expires by its own event time
    assert levels(known) == [None, 2, 2, 2, 2]
    expired = ask(("a", NOON + 4.5 * HOUR))
    assert levels(store.get_historical_features(expired, LEVEL, filter_by_created_timestamp=True)) == [None]


@pytest.mark.parametrize("start", [None, NOON - 9 * HOUR])
@pytest.mark.parametrize("end", [NOON - HOUR, NOON, NOON + HOUR, NOON + 2.5 * HOUR, NOON + 9 * HOUR])
def test_without_entity_rows_it_answers_as_feasts_dask_store(
    store: FeatureStore, start: datetime | None, end: datetime
) -> None:
    # given
    assert store.config.repo_path is not None
    config = make_config(Path(store.config.repo_path), {"type": "dask"})
    view = store.get_feature_view("levels")
    # when
    asked: dict[str, Any] = {"start_date": start, "end_date": end}
    ours = store.get_historical_features(features=LEVEL, **asked).to_df()
    theirs = DaskOfflineStore.get_historical_features(
        config, [view], LEVEL, None, store.registry, "levels", **asked
    ).to_df()
    # then
    columns = ["device", "event_timestamp", "level"]
    expected = theirs[columns].dropna(subset="level").sort_values("device", ignore_index=True)
    pd.testing.assert_frame_equal(ours[columns], expected, check_dtype=False)


@pytest.mark.parametrize("reader", ["pull_latest_from_table_or_query", "pull_all_from_table_or_query"])
def test_a_scan_reads_as_feasts_own_store(tmp_path: Path, reader: str) -> None:
    # given readings whose creation times all differ, from a random world
    settings = build_world(tmp_path)
    config = open_store(settings).config
    source = FileSource(path=str(settings.tables / "readings.parquet"), timestamp_field="observed_at")
    features = ["raw_level", "mode", "count"]
    asked = (source, ["device"], features, "observed_at", "created_at", START + 5 * HOUR, START + 20 * HOUR)
    theirs_config = make_config(tmp_path, {"type": "duckdb"})
    # when
    ours = getattr(AsOfOfflineStore, reader)(config, *asked).to_df()
    theirs = getattr(DuckDBOfflineStore, reader)(theirs_config, *asked).to_df()
    # then
    order = ["device", "observed_at", "created_at"]
    pd.testing.assert_frame_equal(
        ours.sort_values(order, ignore_index=True),
        theirs[ours.columns].sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert len(ours) >= len(DEVICES)


def test_a_start_leaves_out_keys_that_were_silent_since(store: FeatureStore) -> None:
    asked: dict[str, Any] = {"start_date": NOON, "end_date": NOON + HOUR}
    answer = store.get_historical_features(features=LEVEL, **asked).to_df()
    assert answer["device"].tolist() == ["a"]


def test_an_answer_without_entity_rows_can_be_saved(store: FeatureStore, tmp_path: Path) -> None:
    job = store.get_historical_features(features=LEVEL, start_date=NOON - 2 * HOUR, end_date=NOON)
    assert job.metadata is not None
    assert (job.metadata.keys, job.metadata.max_event_timestamp) == (["device"], NOON)


def test_slices_answer_as_one(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    whole, sliced = open_store(settings), open_store(settings)
    sliced.config.offline_store.slice_rows = SLICE_ROWS
    examples = make_examples(rows=10 * SLICE_ROWS + 1)
    # then
    pd.testing.assert_frame_equal(
        historical_features(sliced, "small_v1", examples), historical_features(whole, "small_v1", examples)
    )


def test_a_stream_is_the_frame(tmp_path: Path) -> None:
    # given examples in a Parquet file
    settings = build_world(tmp_path)
    store = open_store(settings)
    store.config.offline_store.slice_rows = SLICE_ROWS
    examples = make_examples(rows=5 * SLICE_ROWS)
    path = tmp_path / "examples.parquet"
    examples.to_parquet(path, coerce_timestamps="us")
    # when
    stream = historical_batches(store, "small_v1", str(path))
    batches = list(stream)
    # then
    assert max(batch.num_rows for batch in batches) <= SLICE_ROWS
    streamed = pa.Table.from_batches(batches).to_pandas()
    expected = historical_features(store, "small_v1", examples)
    pd.testing.assert_frame_equal(streamed, expected, check_dtype=False)


def test_the_query_can_be_seen_and_answers_the_same(store: FeatureStore) -> None:
    entity_query = (
        f"SELECT * FROM (VALUES ('a', TIMESTAMPTZ '{NOON}'), ('z', TIMESTAMPTZ '{NOON}')) t(device, asked)"
    )
    job = store.get_historical_features(entity_query, LEVEL)
    with connect_utc() as connection:
        seen = connection.sql(job.to_sql()).to_arrow_table()
    assert seen.to_pylist() == job.to_arrow().to_pylist()
    assert seen.column_names == ["device", "asked", "level"]
    with pytest.raises(UnsupportedRetrievalError, match="as SQL"):
        store.get_historical_features(ask(("a", NOON)), LEVEL).to_sql()


def test_many_rows_pass_through_little_memory(tmp_path: Path) -> None:
    # given
    ROWS.to_parquet(tmp_path / "levels.parquet")
    store = open_world(tmp_path, offline={"memory_limit": LITTLE_MEMORY, "slice_rows": 50_000})
    instants = f"make_timestamptz({int(NOON.timestamp() * 1_000_000)} + i)"
    many = f"SELECT 'a' AS device, {instants} AS event_timestamp, i FROM range({MANY_ROWS}) t(i)"
    # when
    job = store.get_historical_features(many, LEVEL)
    assert isinstance(job, AsOfRetrievalJob)
    table = job.to_arrow_batches().read_all()
    # then
    assert table["i"].to_pylist() == list(range(MANY_ROWS))
    assert set(table["level"].to_pylist()) == {1.0}
    assert not list((tmp_path / "spill").iterdir())


def test_of_files_that_tie_the_one_named_last_wins(tmp_path: Path) -> None:
    folder = tmp_path / "levels" / "day=1"
    folder.mkdir(parents=True)
    for name, level in (("z", 26.0), ("a", 1.0), ("m", 13.0)):
        ROWS.head(1).assign(level=level).to_parquet(folder / f"{name}.parquet")
    ROWS.head(1).to_parquet(folder / ".z.parquet.half-written")
    store = open_world(tmp_path, "levels")
    ways: list[dict[str, Any]] = [{}, {"filter_by_created_timestamp": True}]
    for asked in ways:
        assert levels(store.get_historical_features(ask(("a", NOON)), LEVEL, **asked)) == [26]


def test_a_view_with_one_of_two_keys_renamed_is_joined_on_both(tmp_path: Path) -> None:
    # given
    store = open_store(build_world(tmp_path))
    view = store.get_feature_view("pairing")
    partner = view.with_name("partner").with_join_key_map({"device": "other"})
    plain = make_examples()[["site", "device", "event_timestamp"]]
    provider = store._get_provider().offline_store
    # when
    job = provider.get_historical_features(
        store.config,
        [partner],
        ["partner:score"],
        plain.rename(columns={"device": "other"}),
        store.registry,
        store.project,
    )
    # then
    expected = store.get_historical_features(plain, ["pairing:score"]).to_df()["score"]
    pd.testing.assert_series_equal(job.to_df()["score"], expected)
    assert expected.notna().any()


def test_a_view_may_be_asked_twice_under_two_names(tmp_path: Path) -> None:
    # given
    store = open_store(build_world(tmp_path))
    view = store.get_feature_view("site_load")
    near = view.with_name("near").with_join_key_map({"site": "near_site"})
    far = view.with_name("far").with_join_key_map({"site": "far_site"})
    asked = pd.DataFrame(
        {"near_site": [1, 2], "far_site": [2, 1], "event_timestamp": [START + 24 * HOUR] * 2}
    )
    provider = store._get_provider().offline_store
    # when
    refs = ["near:load", "far:load"]
    job = provider.get_historical_features(
        store.config, [near, far], refs, asked, store.registry, store.project, True
    )
    # then
    answer = job.to_df()
    assert answer["near__load"].tolist() == answer["far__load"].tolist()[::-1]
    assert answer["near__load"].notna().all()
