"""A table or an entity frame that is not what it should be is refused, by view and with what to do."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureStore

from features.errors import (
    EntityRowsError,
    RetrievalStoppedError,
    TableLayoutError,
    TableMissingError,
    UnsupportedRetrievalError,
)
from tests.features.offline_world import LEVEL, NOON, ROWS, ask, levels, open_world

ASKED = ask(("a", NOON), ("b", NOON))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureStore, Path]:
    folder = tmp_path_factory.mktemp("refusals")
    return open_world(folder), folder / "levels.parquet"


BAD_TABLES = {
    "no column 'level'": ROWS.drop(columns="level"),
    "no column 'device'": ROWS.drop(columns="device"),
    "no column 'created'": ROWS.drop(columns="created"),
    "'level' is VARCHAR, but the view declares a number": ROWS.assign(level="high"),
    "'device' is BIGINT, but the view declares text": ROWS.assign(device=7),
    "'at' is TIMESTAMP without a zone; .*tz_localize": ROWS.assign(at=ROWS["at"].dt.tz_localize(None)),
    "'at' is in nanoseconds; .*coerce_timestamps": ROWS.assign(at=ROWS["at"].dt.as_unit("ns")),
    "'created' is BIGINT, not a timestamp": ROWS.assign(created=1),
}


@pytest.mark.parametrize("message", BAD_TABLES)
def test_a_table_unlike_its_view_is_refused(world: tuple[FeatureStore, Path], message: str) -> None:
    store, path = world
    BAD_TABLES[message].to_parquet(path)
    with pytest.raises(TableLayoutError, match=f"view 'levels'.*{message}"):
        store.get_historical_features(ASKED, LEVEL).to_df()


def test_every_file_of_a_folder_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "levels"
    folder.mkdir()
    ROWS.to_parquet(folder / "first.parquet")
    ROWS.drop(columns="level").to_parquet(folder / "second.parquet")
    store = open_world(tmp_path, "levels")
    with pytest.raises(TableLayoutError, match=r"second\.parquet has no column 'level'"):
        store.get_historical_features(ASKED, LEVEL).to_df()


def test_a_table_that_is_not_there_is_named(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    path.unlink(missing_ok=True)
    with pytest.raises(TableMissingError, match=r"view 'levels': no Parquet at .*levels\.parquet"):
        store.get_historical_features(ASKED, LEVEL)


def test_a_damaged_table_ends_the_retrieval_with_its_name(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    path.write_bytes(b"PAR1 not quite")
    with pytest.raises(RetrievalStoppedError, match=r"levels\.parquet"):
        store.get_historical_features(ASKED, LEVEL).to_df()


TWICE = pd.concat([ASKED, ASKED["device"]], axis=1)
BAD_ROWS: dict[str, pd.DataFrame | str] = {
    r"have the columns \['device'\] twice": TWICE,
    r"1 of 2 entity rows have no 'event_timestamp'": ASKED.assign(event_timestamp=[NOON, pd.NaT]),  # type: ignore[list-item]
    r"no `event_timestamp` column": ASKED.drop(columns="event_timestamp"),
    r"lack the join keys \['device'\]": ASKED.drop(columns="device"),
    r"key 'device' is BIGINT in the entity rows but VARCHAR": ASKED.assign(device=[1, 2]),
    r"already have the columns \['level'\]": ASKED.assign(level=1.0),
    r"not a timestamp": ASKED.assign(event_timestamp="yesterday-ish"),
    r"mixed types": ASKED.assign(note=[1, "one"]),
    r"SQL fails": "SELECT nonsense FROM nowhere",
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_entity_rows_that_cannot_be_answered_are_refused(
    world: tuple[FeatureStore, Path], message: str
) -> None:
    store, path = world
    ROWS.to_parquet(path)
    with pytest.raises(EntityRowsError, match=message):
        store.get_historical_features(BAD_ROWS[message], LEVEL).to_df()


def test_no_key_matches_nothing_and_alike_rows_are_each_answered(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    asked = ask(("b", NOON), (None, NOON), ("b", NOON), ("a", NOON), ("b", NOON))
    assert levels(store.get_historical_features(asked, LEVEL)) == [4, None, 4, 1, 4]


def test_keys_without_a_single_value_match_nothing(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    assert levels(store.get_historical_features(ask((None, NOON)), LEVEL)) == [None]


def test_no_entity_rows_have_an_empty_answer(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    answer = store.get_historical_features(ASKED.head(0), LEVEL).to_arrow()
    assert (answer.num_rows, answer.column_names) == (0, ["device", "event_timestamp", "level"])


def test_dates_cannot_choose_keys_without_an_end(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    provider = store._get_provider().offline_store
    view = store.get_feature_view("levels")
    with pytest.raises(UnsupportedRetrievalError, match="no end_date"):
        provider.get_historical_features(store.config, [view], LEVEL, None, store.registry, "levels")


def test_what_takes_too_long_is_stopped(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    endless = "SELECT 'a' AS device, now() AS event_timestamp, sum(i) FROM range(1000000000000) t(i)"
    with pytest.raises(RetrievalStoppedError, match="longer than its timeout"):
        store.get_historical_features(endless, LEVEL).to_arrow(timeout=1)


def test_too_little_memory_says_which_setting_to_raise(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "levels.parquet")
    store = open_world(tmp_path, offline={"memory_limit": "1MB"})
    instants = "make_timestamptz(1709294400000000 + i) AS event_timestamp"
    many = f"SELECT 'a' AS device, {instants} FROM range(500000) t(i)"
    with pytest.raises(RetrievalStoppedError, match="memory_limit"):
        store.get_historical_features(many, LEVEL).to_arrow()


def test_a_naive_instant_is_utc(world: tuple[FeatureStore, Path]) -> None:
    store, path = world
    ROWS.to_parquet(path)
    naive = ASKED.assign(event_timestamp=[datetime(2024, 3, 1, 12)] * 2)  # noqa: DTZ001
    answer = store.get_historical_features(naive, LEVEL).to_df()
    assert answer["event_timestamp"].tolist() == [pd.Timestamp(NOON).tz_convert(UTC)] * 2
    assert answer["level"].tolist() == [1, 4]
