"""What the offline store writes: saved datasets, logged features, appended rows; whole or not at all."""

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore
from feast.dqm.errors import ValidationFailed
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource, SavedDatasetFileStorage
from pyarrow.fs import LocalFileSystem

from features.errors import TableLayoutError
from features.offline.write import append_rows, fresh_file
from tests.features.offline_world import HOUR, LEVEL, NOON, ROWS, ask, levels, open_world
from tests.forked import FORKING

ASKED = ask(("a", NOON), ("b", NOON), ("a", NOON + HOUR))
WRITERS, APPENDS = 2, 8


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    ROWS.to_parquet(tmp_path / "levels.parquet")
    return open_world(tmp_path)


@pytest.mark.parametrize("path", ["saved.parquet", "saved"])
def test_a_saved_dataset_is_the_retrievals_answer(store: FeatureStore, tmp_path: Path, path: str) -> None:
    # given
    job = store.get_historical_features(ASKED, LEVEL)
    # when
    store.create_saved_dataset(job, "answers", SavedDatasetFileStorage(path))
    # then
    saved = store.get_saved_dataset("answers")
    assert saved.to_df()["level"].tolist() == levels(job)
    assert saved.join_keys == ["device"]
    assert job.metadata is not None
    known = (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp)
    assert known == (NOON, NOON + HOUR)


@pytest.mark.parametrize("path", ["saved.parquet", "saved"])
def test_what_is_saved_is_replaced_only_when_asked(store: FeatureStore, tmp_path: Path, path: str) -> None:
    storage = SavedDatasetFileStorage(path)
    store.get_historical_features(ASKED, LEVEL).persist(storage)
    shorter = store.get_historical_features(ASKED.head(1), LEVEL)
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        shorter.persist(storage)
    shorter.persist(storage, allow_overwrite=True)
    assert pq.read_table(tmp_path / path).num_rows == 1


def failing_write(path: Path) -> None:
    with fresh_file(LocalFileSystem(), str(path)) as fresh:
        Path(fresh).write_text("half")
        raise RuntimeError("half-way")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "kept.parquet"
    target.write_text("before")
    with pytest.raises(RuntimeError, match="half-way"):
        failing_write(target)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept.parquet", "before")]


class Verdict:
    """A validation profile of Feast's kind that wants every level to be known."""

    def __init__(self) -> None:
        self.profile = self

    def validate(self, frame: pd.DataFrame) -> Any:
        self.is_success = bool(frame["level"].notna().all())
        self.report = self
        return self


def test_a_validation_reference_judges_the_answer(store: FeatureStore) -> None:
    reference: Any = Verdict()
    store.get_historical_features(ASKED, LEVEL).to_df(validation_reference=reference)
    with pytest.raises(ValidationFailed):
        store.get_historical_features(ask(("z", NOON)), LEVEL).to_df(validation_reference=reference)


@pytest.mark.parametrize("partition_by", [None, ["__log_date"]])
def test_logged_features_are_added_and_read_back(
    store: FeatureStore, tmp_path: Path, partition_by: list[str] | None
) -> None:
    # given a service that logs to a folder, and its log
    service = store.get_feature_service("levels_v1")
    destination = FileLoggingDestination(path="log", partition_by=partition_by)
    service.logging_config = LoggingConfig(destination=destination)
    store.apply([service])
    schema = FeatureServiceLoggingSource(service, "levels").get_schema(store.registry)
    row = dict.fromkeys(schema.names) | {"device": "a", "levels__level": 5.0}
    times = {"__log_timestamp": NOON, "__log_date": NOON.date()}
    log = pa.Table.from_pylist([row | times], schema)
    # when it is written twice, as a table and as a file
    store.write_logged_features(log, service)
    pq.write_table(log, tmp_path / "more.parquet")
    store.write_logged_features(tmp_path / "more.parquet", service)
    # then
    read = store._get_provider().retrieve_feature_service_logs(
        service, NOON - HOUR, NOON + HOUR, store.config, store.registry
    )
    assert read.to_arrow()["levels__level"].to_pylist() == [5.0, 5.0]
    assert not list((tmp_path / "log").rglob(".*"))


def added(level: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"device": ["a"], "at": [NOON + 2 * HOUR], "created": [NOON + 2 * HOUR], "level": [level]}
    )


@pytest.mark.parametrize("path", ["levels.parquet", "levels"])
def test_appended_rows_are_found(tmp_path: Path, path: str) -> None:
    # given
    (tmp_path / "levels").mkdir()
    ROWS.to_parquet(tmp_path / path if path.endswith("t") else tmp_path / path / "part-0.parquet")
    store = open_world(tmp_path, path)
    # when
    store.write_to_offline_store("levels", added(9))
    # then
    later = ask(("a", NOON + HOUR), ("a", NOON + 2 * HOUR))
    assert levels(store.get_historical_features(later, LEVEL)) == [3, 9]


def test_rows_with_other_columns_are_not_appended(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "levels.parquet")
    source = FileSource(path="levels.parquet", timestamp_field="at")
    with pytest.raises(TableLayoutError, match=r"view 'levels'.*the same columns"):
        append_rows(source, str(tmp_path), "levels", pa.table({"device": ["a"]}))
    with pytest.raises(TableLayoutError, match="cannot take the rows"):
        append_rows(source, str(tmp_path), "levels", pa.Table.from_pandas(added(1).assign(level="x")))


def append_some(folder: str) -> None:
    source = FileSource(path="levels.parquet", timestamp_field="at")
    for level in range(APPENDS):
        append_rows(source, folder, "levels", pa.Table.from_pandas(added(level), preserve_index=False))


def test_two_processes_append_without_losing_a_row(tmp_path: Path) -> None:
    with ProcessPoolExecutor(WRITERS, mp_context=FORKING) as pool:
        list(pool.map(append_some, [str(tmp_path)] * WRITERS))
    assert pq.read_table(tmp_path / "levels.parquet").num_rows == WRITERS * APPENDS


def test_a_materialised_range_holds_both_its_ends(store: FeatureStore) -> None:
    pull = store._get_provider().offline_store.pull_latest_from_table_or_query
    source = store.get_data_source("levels_table")
    columns = (["device"], ["level"], "at", "created")
    newest = pull(store.config, source, *columns, NOON - HOUR, NOON + HOUR).to_df()
    assert dict(zip(newest["device"], newest["level"], strict=True)) == {"a": 3.0, "b": 4.0}
    nothing = pull(store.config, source, *columns, datetime(2020, 1, 1, tzinfo=UTC), NOON - 2 * HOUR).to_df()
    assert nothing.empty
