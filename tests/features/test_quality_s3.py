"""A table on S3 is checked where it lies, and refused as a local one is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.apply import apply_repository
from features.errors import TableMissingError, TableTimeError
from features.quality.quarantine import ROWS_FILE
from features.quality.views import check_before_writing, check_tables
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.s3_server import ACCESS, BUCKET, SECRET, connect, running_s3
from tests.second_problem.tables import DAYS, HORIZON, START, dock_hours, recent_demand

AS_OF, PRESENT = START + timedelta(days=20), START + timedelta(days=DAYS) + HORIZON
DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

station = Entity(name="station", value_type=ValueType.STRING)
recent_demand = FeatureView(
    name="recent_demand",
    entities=[station],
    ttl=timedelta(hours=6),
    schema=[Field(name="station", dtype=String), Field(name="rides_last_hour", dtype=Float64)],
    source=FileSource(
        name="recent_demand_table",
        path="s3://{bucket}/recent_demand.parquet",
        timestamp_field="event_timestamp",
        s3_endpoint_override="{address}",
    ),
)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with running_s3(tmp_path_factory.mktemp("s3")) as address:
            yield address


@pytest.fixture
def settings(address: str, tmp_path: Path) -> FeatureSettings:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "feature_store.yaml").write_text(
        "project: docks\nprovider: local\nentity_key_serialization_version: 3\n"
    )
    (repository / "definitions.py").write_text(DEFINITIONS.format(bucket=BUCKET, address=address))
    settings = FeatureSettings(var=tmp_path / "var", feature_repo=repository)
    apply_repository(settings)
    return settings


def put(address: str, table: pd.DataFrame) -> None:
    with connect(address).open_output_stream(f"{BUCKET}/recent_demand.parquet") as stream:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), stream)


def test_a_table_on_s3_is_checked_and_refused(address: str, settings: FeatureSettings) -> None:
    store, table = open_store(settings), recent_demand(dock_hours(seed=7))
    with pytest.raises(TableMissingError, match="recent_demand"):
        check_before_writing(settings, store, AS_OF)

    put(address, table)
    assert check_tables(settings, store, PRESENT)["recent_demand"].rows == len(table)

    put(address, table[table["event_timestamp"] < AS_OF - timedelta(days=1)])
    with pytest.raises(TableTimeError, match="it stopped"):
        check_before_writing(settings, store, AS_OF)
    (rows,) = settings.features_dir.rglob(ROWS_FILE)
    assert len(pd.read_parquet(rows)) == table["station"].nunique()
