"""A folder of Parquet files is one table, whatever types each file was written with."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from features.contract import EXAMPLES, read_examples
from features.errors import TableLayoutError
from features.offline.parquet_sql import parquet_table
from features.quality.views import check_before_writing
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.offline_world import HOUR, LEVEL, NOON, ask, levels, open_world
from tests.features.small_world import START, build_world

LATER = NOON + 2 * HOUR


def part(moment: datetime, level: object) -> pd.DataFrame:
    instants = pd.to_datetime([moment]).as_unit("us")
    return pd.DataFrame({"device": ["a"], "at": instants, "created": instants, "level": level})


FIRST_FILES = {
    "whole numbers": np.array([7], np.int64),
    "narrow whole numbers": np.array([7], np.int8),
    "narrow fractions": np.array([7], np.float32),
    "no value": [None],
}


@pytest.mark.parametrize("first", FIRST_FILES)
@pytest.mark.parametrize("second", [1.25, 2**24 + 1], ids=["fraction", "whole"])
def test_values_are_those_of_each_file_whatever_the_first_one_holds(
    tmp_path: Path, first: str, second: float
) -> None:
    # given
    (tmp_path / "levels").mkdir()
    part(NOON, FIRST_FILES[first]).to_parquet(tmp_path / "levels" / "part-0.parquet")
    part(NOON + HOUR, [second]).to_parquet(tmp_path / "levels" / "part-1.parquet")
    store = open_world(tmp_path, "levels")
    # when
    found = levels(store.get_historical_features(ask(("a", NOON), ("a", NOON + HOUR)), LEVEL))
    store.materialize(NOON - HOUR, NOON + HOUR)
    online = store.get_online_features(LEVEL, [{"device": "a"}]).to_dict()
    # then
    assert found == [None if first == "no value" else 7, second]
    assert online["level"] == [second]


def test_what_is_checked_and_materialised_of_a_folder_is_what_its_files_hold(tmp_path: Path) -> None:
    # given: a folder of loads, of which the first file holds a whole number
    settings = build_world(tmp_path)
    table, as_of = settings.tables / "site_load.parquet", START + timedelta(hours=20)
    rows = pd.read_parquet(table)
    table.unlink()
    table.mkdir()
    rows.head(1).assign(load=np.array([3])).to_parquet(table / "0.parquet", coerce_timestamps="us")
    rows.tail(-1).to_parquet(table / "1.parquet", coerce_timestamps="us")
    store = open_store(settings)
    # when
    measured = check_before_writing(settings, store, as_of)["site_load"]
    store.materialize(START, as_of)
    # then
    known = rows[rows["event_timestamp"] <= as_of]
    newest = known.sort_values("event_timestamp").groupby("site").tail(1)
    found = store.get_online_features(["site_load:load"], [{"site": site} for site in newest["site"]])
    assert found.to_dict()["load"] == newest["load"].tolist()
    assert measured.rows == len(known)


def test_examples_in_a_folder_keep_their_fractions(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path)
    (settings.tables / EXAMPLES).mkdir(parents=True)
    for number, distance in enumerate([np.array([5]), np.array([0.5])]):
        moment = pd.to_datetime([NOON + number * HOUR]).as_unit("us")
        frame = pd.DataFrame({"example_id": f"e{number}", "event_timestamp": moment, "distance": distance})
        frame.to_parquet(settings.tables / EXAMPLES / f"{number}.parquet")
    assert read_examples(settings.tables, NOON, LATER)["distance"].tolist() == [5, 0.5]


def push(store: FeatureStore, moment: datetime, level: object) -> None:
    store.write_to_offline_store("levels", part(moment, level))


@pytest.mark.parametrize("path", ["levels.parquet", "levels"])
@pytest.mark.parametrize("first", FIRST_FILES)
def test_rows_that_are_appended_take_the_tables_types(tmp_path: Path, path: str, first: str) -> None:
    # given
    file = tmp_path / path / "part-0.parquet" if path == "levels" else tmp_path / path
    file.parent.mkdir(exist_ok=True)
    part(NOON, FIRST_FILES[first]).to_parquet(file)
    store = open_world(tmp_path, path)
    # when
    push(store, NOON + HOUR, [0.5])
    push(store, LATER, np.array([8]))
    # then
    asked = ask(("a", NOON + HOUR), ("a", LATER))
    assert levels(store.get_historical_features(asked, LEVEL)) == [0.5, 8]
    appended = sorted(set((tmp_path / path).glob("part-*")) - {file}) or [file]
    assert {str(pq.read_schema(each).field("level").type) for each in appended} == {"double"}


def test_rows_that_no_type_of_the_table_holds_are_not_appended(tmp_path: Path) -> None:
    (tmp_path / "levels").mkdir()
    part(NOON, [1.5]).to_parquet(tmp_path / "levels" / "part-0.parquet")
    store = open_world(tmp_path, "levels")
    with pytest.raises(TableLayoutError, match=r"view 'levels'.*cannot take the rows"):
        push(store, LATER, ["high"])
    assert len(list((tmp_path / "levels").iterdir())) == 1


def test_files_of_one_type_are_read_without_a_cast(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.parquet") for number in range(2)]
    for path in paths:
        part(NOON, [1.5]).to_parquet(path)
    assert parquet_table(paths).startswith("read_parquet(")
