"""The offline store against a real S3 server: reads, ties, appends, saved datasets and logs as locally."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore
from feast.feature_logging import FeatureServiceLoggingSource, LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from pyarrow.fs import FileSelector, S3FileSystem

from features.errors import TableMissingError
from tests.features.offline_world import HOUR, LEVEL, NOON, ROWS, ask, levels, open_world
from tests.features.s3_server import ACCESS, BUCKET, SECRET, connect, running_s3

ASKED = ask(("a", NOON), ("b", NOON), ("a", NOON + HOUR))


@dataclass(frozen=True)
class Cloud:
    address: str
    filesystem: S3FileSystem
    folder: Path


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("s3")
    with running_s3(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield Cloud(address, connect(address), folder)


def open_cloud(cloud: Cloud, name: str, path: str) -> FeatureStore:
    """Open a store over `path` in the bucket, with `ROWS` in it."""
    table = pa.Table.from_pandas(ROWS, preserve_index=False)
    target = path if path.endswith(".parquet") else f"{path}/part-0.parquet"
    pq.write_table(table, f"{BUCKET}/{target}", filesystem=cloud.filesystem)
    return open_world(cloud.folder / name, f"s3://{BUCKET}/{path}", s3_endpoint_override=cloud.address)


@pytest.mark.parametrize("path", ["one/levels.parquet", "one/levels"])
def test_a_table_on_s3_answers_as_a_local_one(cloud: Cloud, tmp_path: Path, path: str) -> None:
    # given
    ROWS.to_parquet(tmp_path / "levels.parquet")
    remote, local = open_cloud(cloud, path.replace("/", "-"), path), open_world(tmp_path)
    # then
    for known_only in (False, True):
        answers = [
            store.get_historical_features(ASKED, LEVEL, filter_by_created_timestamp=known_only).to_df()
            for store in (remote, local)
        ]
        assert answers[0].equals(answers[1])
    assert answers[0]["level"].tolist() == [1, 4, 2]


def test_a_table_that_is_not_on_s3_is_named(cloud: Cloud) -> None:
    address = f"s3://{BUCKET}/nowhere.parquet"
    store = open_world(cloud.folder / "nowhere", address, s3_endpoint_override=cloud.address)
    with pytest.raises(TableMissingError, match=f"view 'levels': no Parquet at {address}"):
        store.get_historical_features(ASKED, LEVEL)


def test_credentials_that_do_not_hold_are_said_to(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_cloud(cloud, "refused", "refused/levels.parquet")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed")
    with pytest.raises(TableMissingError, match="check its endpoint and credentials"):
        store.get_historical_features(ASKED, LEVEL)


@pytest.mark.parametrize("path", ["added/levels.parquet", "added/levels"])
def test_rows_are_appended_on_s3(cloud: Cloud, path: str) -> None:
    store = open_cloud(cloud, path.replace("/", "-"), path)
    added = ROWS.tail(1).assign(device="c", level=7.0)
    store.write_to_offline_store("levels", added)
    assert levels(store.get_historical_features(ask(("c", NOON), ("b", NOON)), LEVEL)) == [7, 4]


def test_a_saved_dataset_on_s3_is_read_back_and_replaced(cloud: Cloud) -> None:
    # given
    store = open_cloud(cloud, "saving", "saving/levels.parquet")
    storage = SavedDatasetFileStorage(f"s3://{BUCKET}/saved", s3_endpoint_override=cloud.address)
    # when
    for rows in (ASKED, ASKED.head(2)):
        job = store.get_historical_features(rows, LEVEL)
        store.create_saved_dataset(job, "answers", storage, allow_overwrite=True)
    # then
    assert store.get_saved_dataset("answers").to_df()["level"].tolist() == [1, 4]
    assert [found.base_name for found in cloud.filesystem.get_file_info(FileSelector(f"{BUCKET}/saved"))] == [
        "part-0.parquet"
    ]


def test_features_are_logged_to_s3(cloud: Cloud) -> None:
    # given
    store = open_cloud(cloud, "logging", "logging/levels.parquet")
    service = store.get_feature_service("levels_v1")
    destination = FileLoggingDestination(path=f"s3://{BUCKET}/log", s3_endpoint_override=cloud.address)
    service.logging_config = LoggingConfig(destination=destination)
    schema = FeatureServiceLoggingSource(service, "levels").get_schema(store.registry)
    row = dict.fromkeys(schema.names) | {"__log_timestamp": NOON, "levels__level": 5.0}
    # when
    store.write_logged_features(pa.Table.from_pylist([row], schema), service)
    # then
    read = store._get_provider().retrieve_feature_service_logs(
        service, NOON - HOUR, NOON + HOUR, store.config, store.registry
    )
    assert read.to_arrow()["levels__level"].to_pylist() == [5.0]


def test_a_snapshot_and_a_materialisation_read_s3(cloud: Cloud) -> None:
    store = open_cloud(cloud, "latest", "latest/levels.parquet")
    snapshot = store.get_historical_features(features=LEVEL, start_date=NOON - 2 * HOUR, end_date=NOON)
    assert snapshot.to_df()["level"].tolist() == [1, 4]
    store.materialize(NOON - 2 * HOUR, NOON + HOUR)
    assert store.get_online_features(LEVEL, [{"device": "a"}]).to_dict()["level"] == [3]
