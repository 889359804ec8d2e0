"""The as-of offline store answers as Feast's own DuckDB store, keeps row order, names what it refuses."""

from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore, RepoConfig
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from features.apply import apply_repository
from features.errors import (
    EntityRowsError,
    RepositoryError,
    UnknownServiceError,
    UnsupportedRetrievalError,
)
from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from features.schema.service_columns import feature_columns
from features.settings import FeatureSettings
from tests.features.small_world import REPOSITORY, START, build_world, make_examples

KEYS_AND_TIME = ["device", "site", "event_timestamp"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def store(settings: FeatureSettings) -> FeatureStore:
    return open_store(settings)


def feasts_own_store(settings: FeatureSettings) -> FeatureStore:
    """The same registry with Feast's DuckDB store, which wants absolute source paths."""
    config = RepoConfig(
        project="small",
        provider="local",
        registry=str(settings.registry_db),
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(settings.var / "unused.db")},
        repo_path=settings.tables,
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


@pytest.mark.parametrize("full_feature_names", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_answers_as_feasts_own_store(
    settings: FeatureSettings,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    full_feature_names: bool,
) -> None:
    # given: random examples with unknown keys, over sources with ties that creation time decides
    examples = make_examples(seed=seed)[KEYS_AND_TIME].dropna().drop_duplicates()
    monkeypatch.chdir(settings.tables)  # Feast's own store reads relative sources from the working directory
    # when
    service = store.get_feature_service("stored_v1")
    asked: dict[str, Any] = {"features": service, "full_feature_names": full_feature_names}
    ours = store.get_historical_features(examples.copy(), **asked).to_df()
    theirs = feasts_own_store(settings).get_historical_features(examples.copy(), **asked).to_df()
    # then
    columns = sorted(theirs.columns)
    assert sorted(ours.columns) == columns
    pd.testing.assert_frame_equal(
        ours[columns].sort_values(KEYS_AND_TIME, ignore_index=True),
        theirs[columns].sort_values(KEYS_AND_TIME, ignore_index=True),
        check_dtype=False,
    )
    assert ours.drop(columns=KEYS_AND_TIME).notna().any().all()


def test_rows_keep_their_order_and_their_other_columns(store: FeatureStore) -> None:
    # given
    examples = make_examples().set_index(np.arange(400) * 3)
    # when
    answer = historical_features(store, "small_v1", examples)
    # then
    pd.testing.assert_frame_equal(answer[list(examples.columns)], examples)
    names = [column.name for column in feature_columns(store, "small_v1")]
    assert list(answer.columns) == [*examples.columns, *names]


def test_numbers_are_float64_and_text_is_object_with_none(store: FeatureStore) -> None:
    answer = historical_features(store, "small_v1", make_examples())
    for column in feature_columns(store, "small_v1"):
        values = answer[column.name]
        assert values.dtype == ("object" if column.kind == "categorical" else "float64")
        if column.kind == "categorical":
            assert all(value is None or isinstance(value, str) for value in values)


@pytest.mark.parametrize(
    ("age", "known"), [(timedelta(hours=1), True), (timedelta(hours=1, microseconds=1), False)]
)
def test_a_row_as_old_as_its_ttl_is_the_last_that_counts(
    settings: FeatureSettings, store: FeatureStore, age: timedelta, known: bool
) -> None:
    # given: a device's last reading
    readings = pd.read_parquet(settings.tables / "readings.parquet")
    last = readings[readings.device == "d0"].observed_at.max()
    # when
    asked = pd.DataFrame({"device": ["d0"], "event_timestamp": [last + age]})
    answer = store.get_historical_features(asked, features=["readings:count", "readings:mode"]).to_df()
    # then
    assert bool(answer[["count", "mode"]].notna().any(axis=None)) is known


def test_of_rows_that_tie_without_creation_time_the_last_in_the_file_wins(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    rows = pd.DataFrame(
        {"site": [1, 1, 1], "event_timestamp": [START] * 3, "load": [1, 2, 3], "open": [True] * 3}
    )
    rows.astype({"load": "float32"}).to_parquet(settings.tables / "site_load.parquet", coerce_timestamps="us")
    # when
    asked = pd.DataFrame({"site": [1], "event_timestamp": [START]})
    answer = open_store(settings).get_historical_features(asked, features=["site_load:load"]).to_df()
    # then
    assert answer.load.tolist() == [3]


def test_entity_rows_may_be_sql_and_naive_instants_are_utc(store: FeatureStore) -> None:
    # given
    examples = make_examples()[KEYS_AND_TIME].dropna().head(50)
    naive = examples.assign(event_timestamp=examples.event_timestamp.dt.tz_localize(None))
    rows = ", ".join(f"('{d}', {s}, TIMESTAMP '{t}')" for d, s, t in naive.itertuples(index=False))
    query = f"SELECT * FROM (VALUES {rows}) AS asked (device, site, event_timestamp)"
    # when
    features = ["readings:level", "pairing:score"]
    answers = [store.get_historical_features(rows, features).to_df() for rows in (examples, naive, query)]
    # then
    for answer in answers[1:]:
        pd.testing.assert_frame_equal(answer, answers[0], check_dtype=False)


def test_it_names_what_it_cannot_do(settings: FeatureSettings, store: FeatureStore) -> None:
    timeless = pd.DataFrame({"device": ["d0"]})
    keyless = pd.DataFrame({"event_timestamp": [START]})
    with pytest.raises(UnsupportedRetrievalError, match="event_timestamp"):
        store.get_historical_features(timeless, ["readings:level"]).to_df()
    with pytest.raises(UnsupportedRetrievalError, match="device"):
        store.get_historical_features(keyless, ["readings:level"]).to_df()
    both = ["readings:level", "site_load:load"]
    with pytest.raises(UnsupportedRetrievalError, match="keys differ"):
        store.get_historical_features(features=both, start_date=START, end_date=START)
    with pytest.raises(UnknownServiceError, match="small_v1"):
        historical_features(store, "no_such_service", keyless)


def test_what_only_the_request_says_needs_no_table(store: FeatureStore) -> None:
    # given
    asked = make_examples()[["due_at", "amount", "note", "event_timestamp"]]
    # when
    answer = store.get_historical_features(asked, ["request_facts:due_hour"]).to_df()
    # then
    due = pd.to_datetime(asked["due_at"], utc=True)
    pd.testing.assert_series_equal(answer["due_hour"], due.dt.hour + due.dt.minute / 60, check_names=False)


def test_a_column_named_like_a_computed_feature_is_refused(store: FeatureStore) -> None:
    asked = make_examples().assign(due_hour=0)
    with pytest.raises(EntityRowsError, match="due_hour"):
        store.get_historical_features(asked, ["request_facts:due_hour"]).to_df()


def test_a_service_with_computed_features_can_be_saved(store: FeatureStore, tmp_path: Path) -> None:
    # given
    job = store.get_historical_features(make_examples(), store.get_feature_service("small_v1"))
    storage = SavedDatasetFileStorage(str(tmp_path / "saved.parquet"))
    # when
    store.create_saved_dataset(job, "small", storage)
    # then
    saved = store.get_saved_dataset("small").to_arrow()
    answer = job.to_arrow()
    for name in ("amount_per_level", "level", "device", "site"):
        assert saved[name].to_pylist() == answer[name].to_pylist()


def test_rows_are_appended_to_a_source(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    store = open_store(settings)
    later = START + timedelta(days=9)
    row = pd.DataFrame(
        {"site": [1], "event_timestamp": [later], "load": np.array([5], np.float32), "open": [True]}
    )
    # when
    store.write_to_offline_store("site_load", row)
    # then
    asked = pd.DataFrame({"site": [1], "event_timestamp": [later]})
    assert store.get_historical_features(asked, ["site_load:load"]).to_df().load.tolist() == [5]


def test_a_moved_var_is_opened_where_it_lies(tmp_path: Path) -> None:
    # given
    before = build_world(tmp_path / "here")
    expected = historical_features(open_store(before), "small_v1", make_examples())
    # when
    (tmp_path / "here").rename(tmp_path / "there")
    moved = FeatureSettings(var=tmp_path / "there", feature_repo=REPOSITORY)
    answer = historical_features(open_store(moved), "small_v1", make_examples())
    # then
    pd.testing.assert_frame_equal(answer, expected)
    apply_repository(moved)
    assert not (tmp_path / "here").exists()


def test_a_repository_that_was_never_applied_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="python -m features apply"):
        open_store(FeatureSettings(var=tmp_path))
    with pytest.raises(RepositoryError, match=r"feature_store\.yaml"):
        apply_repository(FeatureSettings(var=tmp_path, feature_repo=tmp_path))
    (tmp_path / "feature_store.yaml").write_text("project: empty")
    with pytest.raises(RepositoryError, match=r"definitions\.py"):
        apply_repository(FeatureSettings(var=tmp_path, feature_repo=tmp_path))


def test_all_instants_are_utc(store: FeatureStore) -> None:
    answer = store.get_historical_features(make_examples()[KEYS_AND_TIME], ["season:season_index"]).to_df()
    assert str(answer.event_timestamp.dt.tz) == str(UTC)
    assert answer.season_index.notna().any()
