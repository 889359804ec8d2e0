"""An id beyond 2**53 is never taken for its neighbour, though other rows have none."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.contract import EXAMPLES, read_examples
from features.errors import EntityRowsError
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.online.reader import OnlineReader
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.small_world import START, build_world

NEIGHBOUR, ID = 2**53, 2**53 + 1
NOON = START + timedelta(hours=12)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    """Loads of two sites with neighbouring ids, and examples of which one has no site."""
    settings = build_world(tmp_path_factory.mktemp("world"))
    times = pd.to_datetime([START] * 2).as_unit("us")
    loads = {"site": [NEIGHBOUR, ID], "event_timestamp": times, "load": np.array([1, 2], np.float32)}
    pd.DataFrame(loads | {"open": [False, True]}).to_parquet(settings.tables / "site_load.parquet")
    instants = pd.to_datetime([NOON] * 3).as_unit("us")
    asked = {"example_id": ["a", "b", "c"], "site": pd.array([ID, None, NEIGHBOUR], "Int64"), "device": "d0"}
    pd.DataFrame(asked | {"event_timestamp": instants}).to_parquet(settings.tables / EXAMPLES)
    return settings


def test_an_id_gets_its_own_features_though_another_example_has_none(settings: FeatureSettings) -> None:
    # given
    examples = read_examples(settings.tables, START, NOON + timedelta(hours=1))
    # when
    history = historical_features(open_store(settings), "stored_v1", examples)
    OnlineFeed(settings, "stored_v1", examples).advance(NOON)
    rows = [{"site": site, "device": "d0"} for site in (ID, None, NEIGHBOUR)]
    served = OnlineReader(settings, "stored_v1").read(rows, [NOON] * 3)
    # then
    assert examples["site"].tolist() == [ID, pd.NA, NEIGHBOUR]
    assert history["load"].fillna(0).tolist() == [2, 0, 1]
    assert [answer.values["load"] for answer in served] == [2, None, 1]


def test_whole_numbers_are_materialised_whole_though_other_rows_have_none(tmp_path: Path) -> None:
    # given counts that no float tells from their neighbours, and a device without one
    settings = build_world(tmp_path)
    store, devices = open_store(settings), ["d0", "d1", "d2"]
    counts = {"device": devices, "count": pd.array([ID, None, -ID], "Int64"), "raw_level": 0.5, "mode": "low"}
    readings = pd.DataFrame(counts | {"observed_at": NOON, "created_at": NOON})
    readings.to_parquet(settings.tables / "readings.parquet", coerce_timestamps="us")
    # when
    store.materialize(START, NOON, feature_views=["readings"])
    # then
    asked = [{"device": device} for device in devices]
    answer = store.get_online_features(["readings:count"], asked).to_dict()
    assert answer["count"] == [ID, None, -ID]


def test_feast_rounds_whole_numbers_that_are_written_beside_none_unless_they_are_decimals(
    tmp_path: Path,
) -> None:
    store = open_store(build_world(tmp_path))
    rows = pd.DataFrame({"device": ["d0", "d1"], "observed_at": NOON, "created_at": NOON, "mode": "low"})
    found = []
    for counts in (pd.Series([ID, None], dtype="Int64"), pd.Series([Decimal(ID), None])):
        store.write_to_online_store("readings", rows.assign(level=0.5, count=counts))
        answer = store.get_online_features(["readings:count"], [{"device": "d0"}]).to_dict()
        found += answer["count"]
    assert found == [NEIGHBOUR, ID]


AS_FLOATS: dict[str, Callable[[list[int | None]], object]] = {
    "float64": lambda ids: pd.array(ids, "Float64"),
    "with a gap": lambda ids: [*ids[1:], None],
}


@pytest.mark.parametrize("ids", AS_FLOATS)
def test_entity_rows_whose_ids_were_made_floats_are_refused(settings: FeatureSettings, ids: str) -> None:
    frame = pd.DataFrame({"site": AS_FLOATS[ids]([NEIGHBOUR, ID]), "event_timestamp": NOON})
    with pytest.raises(EntityRowsError, match=r"key 'site' has ids from 2\*\*53 on.*Int64"):
        open_store(settings).get_historical_features(frame, ["site_load:load"]).to_df()


def test_a_table_whose_ids_were_made_floats_is_refused(tmp_path: Path) -> None:
    settings = build_world(tmp_path)
    loads = pd.read_parquet(settings.tables / "site_load.parquet")
    loads.astype({"site": "float64"}).to_parquet(
        settings.tables / "site_load.parquet", coerce_timestamps="us"
    )
    frame = pd.DataFrame({"site": [ID], "event_timestamp": [NOON]})
    with pytest.raises(EntityRowsError, match="key 'site'"):
        open_store(settings).get_historical_features(frame, ["site_load:load"]).to_df()


def test_small_ids_may_be_floats(settings: FeatureSettings) -> None:
    frame = pd.DataFrame({"site": [7.0, None], "event_timestamp": [NOON] * 2})
    answer = open_store(settings).get_historical_features(frame, ["site_load:load"]).to_arrow()
    assert answer["load"].null_count == 2
    assert answer["site"].type == pa.float64()


def test_a_float_that_stands_for_several_ids_is_no_key_online(settings: FeatureSettings) -> None:
    served = OnlineReader(settings, "stored_v1").read([{"site": float(NEIGHBOUR)}], [NOON])[0]
    assert served.status["load"] == "missing"
