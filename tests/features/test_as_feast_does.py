"""What Feast asks of its stores beyond plain views: every column, asynchronous reads, its own errors."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feast import BatchFeatureView, Entity, FeatureStore, Field, ValueType
from feast.errors import FeastEntityDFMissingColumnsError
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, String

from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.offline_world import HOUR, LEVEL, NOON, ROWS, open_world
from tests.features.small_world import build_world

TIMES = ("at", "created", NOON - HOUR, NOON + HOUR)


@pytest.fixture(params=["file", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureStore:
    """Levels in one file, or in two that were written with different types."""
    if request.param == "file":
        ROWS.to_parquet(tmp_path / "levels.parquet")
        return open_world(tmp_path)
    (tmp_path / "levels").mkdir()
    ROWS.head(1).astype({"level": np.int64}).to_parquet(tmp_path / "levels" / "0.parquet")
    ROWS.tail(-1).to_parquet(tmp_path / "levels" / "1.parquet")
    return open_world(tmp_path, "levels")


@pytest.mark.parametrize("pull", ["pull_latest_from_table_or_query", "pull_all_from_table_or_query"])
def test_an_empty_list_of_features_asks_for_every_column(store: FeatureStore, pull: str) -> None:
    offline: Any = store._get_provider().offline_store
    source = store.get_data_source("levels_table")
    frame = getattr(offline, pull)(store.config, source, ["device"], [], *TIMES).to_df()
    assert sorted(frame.columns) == sorted(ROWS.columns)
    assert set(frame["device"]) == {"a", "b"}


def double(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(doubled=frame["level"] * 2)


@pytest.mark.filterwarnings("ignore")
def test_a_view_with_a_function_of_its_own_is_materialised(store: FeatureStore) -> None:
    # given
    view = BatchFeatureView(
        name="doubles",
        mode="pandas",
        entities=[Entity(name="device", value_type=ValueType.STRING)],
        schema=[Field(name="device", dtype=String), Field(name="doubled", dtype=Float64)],
        source=store.get_data_source("levels_table"),
        udf=double,
        udf_string="double",
        online=True,
    )
    store.apply([view])
    # when
    store.materialize(NOON - HOUR, NOON, feature_views=["doubles"])
    # then
    answer = store.get_online_features(["doubles:doubled"], [{"device": "a"}, {"device": "b"}]).to_dict()
    assert answer["doubled"] == [2.0, 8.0]


def test_a_missing_join_key_is_feasts_error(store: FeatureStore) -> None:
    asked = pd.DataFrame({"event_timestamp": [NOON]})
    with pytest.raises(FeastEntityDFMissingColumnsError, match="device"):
        store.get_historical_features(asked, LEVEL).to_df()


@pytest.fixture
def settings(tmp_path: Path) -> FeatureSettings:
    return build_world(tmp_path)


def test_features_are_written_and_read_without_holding_an_event_loop_up(settings: FeatureSettings) -> None:
    # given
    store = open_store(settings)
    online, view = store._get_provider().online_store, store.get_feature_view("readings")
    key = EntityKey(join_keys=["device"], entity_values=[Value(string_val="d0")])

    async def write_and_read() -> Any:
        rows: list[Any] = [(key, {"level": Value(double_val=1.5)}, NOON, None)]
        await online.online_write_batch_async(store.config, view, rows, None)
        return await store.get_online_features_async(
            ["readings:level"], [{"device": "d0"}, {"device": "new"}]
        )

    # when
    answer = asyncio.run(write_and_read())
    # then
    assert answer.to_dict()["level"] == [1.5, None]
    assert store._get_provider().async_supported.online.read
