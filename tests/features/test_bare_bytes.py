"""Text in bare bytes, as Hive and old Spark write it to Parquet, is refused by every way out of a table."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from feast import Entity, FeatureView, Field, ValueType
from feast.types import Bytes, String

from features.errors import TableLayoutError
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.quality.views import check_before_writing
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.timestamps import BEGINNING
from tests.features.offline_world import HOUR, NOON, ROWS, ask, open_world
from tests.features.small_world import START, build_world, make_examples

AS_OF = START + 20 * HOUR
Way = Callable[[FeatureSettings], object]
WAYS: dict[str, Way] = {
    "history": lambda given: historical_features(open_store(given), "stored_v1", make_examples(rows=9)),
    "Feast's materialisation": lambda given: open_store(given).materialize(BEGINNING, AS_OF),
    "our materialisation": lambda given: check_before_writing(given, open_store(given), AS_OF),
    "replay": lambda given: OnlineFeed(given, "stored_v1", make_examples(rows=9)),
}


@pytest.fixture
def settings(tmp_path: Path) -> FeatureSettings:
    return build_world(tmp_path)


@pytest.mark.parametrize("column", ["mode", "device"])
@pytest.mark.parametrize("way", WAYS)
def test_bytes_where_the_view_declares_text_are_refused(
    settings: FeatureSettings, way: str, column: str
) -> None:
    # given
    table = settings.tables / "readings.parquet"
    rows = pd.read_parquet(table)
    rows[column] = rows[column].map(lambda text: text.encode(), na_action="ignore")
    rows.to_parquet(table, coerce_timestamps="us")
    # when
    with pytest.raises(TableLayoutError) as refused:
        WAYS[way](settings)
    # then
    assert "readings" in str(refused.value)
    assert column in str(refused.value)
    asked = [{"device": device} for device in ("d0", str(b"d0"))]
    found = open_store(settings).get_online_features(["readings:mode"], asked).to_dict()
    assert found["mode"] == [None, None]


def test_bytes_that_are_declared_stay_bytes(tmp_path: Path) -> None:
    # given
    ROWS.assign(photo=b"\xff\xd8").to_parquet(tmp_path / "levels.parquet")
    store = open_world(tmp_path)
    view = FeatureView(
        name="photos",
        entities=[Entity(name="device", value_type=ValueType.STRING)],
        schema=[Field(name="device", dtype=String), Field(name="photo", dtype=Bytes)],
        source=store.get_data_source("levels_table"),
    )
    store.apply([view])
    # when
    history = store.get_historical_features(ask(("a", NOON)), ["photos:photo"]).to_arrow()
    store.materialize(NOON - HOUR, NOON, feature_views=["photos"])
    # then
    assert history["photo"].to_pylist() == [b"\xff\xd8"]
    served = store.get_online_features(["photos:photo"], [{"device": "a"}]).to_dict()
    assert served["photo"] == [b"\xff\xd8"]
