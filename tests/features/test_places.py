"""A folder's name is a place: neither a pattern that takes other folders' files, nor part of an address."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.contract import EXAMPLES, OUTCOMES, read_examples
from features.errors import TableMissingError
from features.online.feed import OnlineFeed
from features.online.reader import OnlineReader
from features.quality.views import check_before_writing
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.offline_world import HOUR, LEVEL, NOON, ROWS, ask, levels, open_world
from tests.features.small_world import START, build_world

PLACE = "data [2024] a*b what?% it's #1"
# What PLACE would match as a pattern.
NEIGHBOUR = "data 2 a-b what!% it's #1"
AS_OF = START + timedelta(hours=20)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    return build_world(tmp_path_factory.mktemp("world") / PLACE)


def test_features_are_written_and_served_from_a_folder_of_any_name(settings: FeatureSettings) -> None:
    # given
    store = open_store(settings)
    examples = pd.DataFrame({"device": "d0", "site": 1, "event_timestamp": [AS_OF]})
    loads = pd.read_parquet(settings.tables / "site_load.parquet").sort_values("event_timestamp")
    newest = loads[(loads["site"] == 1) & (loads["event_timestamp"] <= AS_OF)]["load"].iloc[-1]
    # when
    history = store.get_historical_features(examples, ["site_load:load"]).to_df()
    check_before_writing(settings, store, AS_OF)
    store.materialize(START, AS_OF)
    fed = OnlineFeed(settings, "stored_v1", examples).advance(AS_OF)
    served = OnlineReader(settings, "stored_v1").read([{"site": 1}], [AS_OF])[0]
    # then
    assert history["load"].tolist() == [newest]
    assert served.values["load"] == newest
    assert fed > 0


def test_examples_are_read_from_a_folder_of_any_name(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path / PLACE)
    settings.tables.mkdir(parents=True)
    examples = ROWS.rename(columns={"at": "event_timestamp"}).assign(example_id=range(len(ROWS)))
    examples.to_parquet(settings.tables / EXAMPLES)
    assert len(read_examples(settings.tables, NOON - HOUR, NOON + 2 * HOUR)) == len(ROWS)


def test_a_neighbours_tables_are_never_taken(tmp_path: Path) -> None:
    # given: a neighbour that has what is missing here, a file and a folder of files
    store = open_world(tmp_path / PLACE)
    open_world(tmp_path / NEIGHBOUR)
    (tmp_path / NEIGHBOUR / OUTCOMES).mkdir()
    ROWS.to_parquet(tmp_path / NEIGHBOUR / "levels.parquet")
    # when, then
    with pytest.raises(TableMissingError, match="no Parquet at"):
        store.get_historical_features(ask(("a", NOON)), LEVEL).to_df()


def test_a_sources_path_may_be_a_pattern_within_such_a_folder(tmp_path: Path) -> None:
    for folder in (PLACE, NEIGHBOUR):
        store = open_world(tmp_path / folder, "levels-?.parquet")
        for number, rows in enumerate((ROWS.head(2), ROWS.tail(2))):
            rows.assign(level=rows["level"] + (folder == NEIGHBOUR)).to_parquet(
                tmp_path / folder / f"levels-{number}.parquet"
            )
    store = open_world(tmp_path / PLACE, "levels-?.parquet")
    found = store.get_historical_features(ask(("a", NOON + 2 * HOUR), ("b", NOON)), LEVEL)
    assert levels(found) == [3, 4]


def test_entity_rows_are_read_from_a_folder_of_any_name(tmp_path: Path) -> None:
    store = open_world(tmp_path / PLACE)
    ROWS.to_parquet(tmp_path / PLACE / "levels.parquet")
    ask(("a", NOON)).to_parquet(tmp_path / PLACE / "asked.parquet")
    found = store.get_historical_features(str(tmp_path / PLACE / "asked.parquet"), LEVEL)
    assert levels(found) == [1]
