"""Composite keys on Feast's Spark store: rows are told apart whatever their keys are made of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.apply import apply_repository
from features.repository.feature_store import open_store
from features.settings import FeatureSettings

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
CONFIG = """
project: shelves
provider: local
entity_key_serialization_version: 3
offline_store:
  type: features.offline.spark_store.OrderedSparkOfflineStore
"""
DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Float64, String

room = Entity(name="room", value_type=ValueType.STRING)
shelf = Entity(name="shelf", value_type=ValueType.STRING)
stock = FeatureView(
    name="stock",
    entities=[room, shelf],
    ttl=timedelta(0),
    schema=[
        Field(name="room", dtype=String),
        Field(name="shelf", dtype=String),
        Field(name="boxes", dtype=Float64),
    ],
    source=SparkSource(
        name="stock_table", path="{table}", file_format="parquet", timestamp_field="event_timestamp"
    ),
)
"""


@pytest.fixture
def settings(tmp_path: Path) -> FeatureSettings:
    table = tmp_path / "stock.parquet"
    rows = {"room": ["a", "ab", "a"], "shelf": ["bc", "c", "b"], "boxes": [1.0, 2.0, 3.0]}
    pd.DataFrame({**rows, "event_timestamp": [NOON] * 3}).to_parquet(table, coerce_timestamps="us")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "feature_store.yaml").write_text(CONFIG)
    (repository / "definitions.py").write_text(DEFINITIONS.format(table=table))
    return FeatureSettings(var=tmp_path / "var", feature_repo=repository)


def test_keys_that_read_alike_side_by_side_are_still_two_rows(settings: FeatureSettings) -> None:
    apply_repository(settings)
    asked = pd.DataFrame(
        {
            "room": ["ab", "a", None, "a", "ab"],
            "shelf": ["c", "bc", "bc", None, "c"],
            "event_timestamp": [NOON + timedelta(hours=1)] * 5,
        }
    )
    answered = open_store(settings).get_historical_features(asked, ["stock:boxes"]).to_df()
    assert answered["room"].tolist() == asked["room"].tolist()
    assert answered["boxes"].fillna(-1).tolist() == [2.0, 1.0, -1, -1, 2.0]
