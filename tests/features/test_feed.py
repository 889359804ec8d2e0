"""The feed writes at each instant what its examples need, known by then, each row once: in every store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.online.feed import OnlineFeed, clear_online_store
from features.online.reader import OnlineReader
from features.settings import FeatureSettings
from tests.features.online_servers import STORES, Servers, stored_rows
from tests.features.small_world import START, build_world, make_examples
from tests.frames import records

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(params=STORES)
def settings(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> FeatureSettings:
    return build_world(tmp_path, online_store=servers.fresh_address(request.param, tmp_path))


def instants_of(examples: pd.DataFrame) -> list[datetime]:
    return [moment.to_pydatetime() for moment in sorted(examples.event_timestamp.unique())]


def stored_events(settings: FeatureSettings) -> dict[tuple[str, bytes], datetime]:
    stored = stored_rows(settings.online_address.get_secret_value())
    return {place: EPOCH + timedelta(microseconds=event) for place, (event, _, _) in stored.items()}


def test_nothing_is_written_before_it_is_known(settings: FeatureSettings) -> None:
    # given
    examples = make_examples(rows=100)
    feed = OnlineFeed(settings, "small_v1", examples)
    newest: dict[tuple[str, bytes], datetime] = {}
    for instant in instants_of(examples):
        # when
        feed.advance(instant)
        # then
        stored = stored_events(settings)
        assert all(event <= instant for event in stored.values())
        assert all(stored[key] >= event for key, event in newest.items())
        newest = stored
    assert feed.remaining == 0
    assert newest


def test_only_what_the_instants_examples_need_is_written_and_only_once(settings: FeatureSettings) -> None:
    # given: the same keys asked for twice at one instant, and once more before anything new is known
    examples = make_examples(rows=1).assign(device="d0", site=1, event_timestamp=START + timedelta(hours=24))
    later = examples.assign(event_timestamp=START + timedelta(hours=24, microseconds=1))
    feed = OnlineFeed(settings, "small_v1", pd.concat([examples, examples, later]))
    # when
    written = [feed.advance(START + timedelta(hours=hours)) for hours in (1, 24, 24, 25)]
    # then: one row for each of the four views
    assert written == [0, 4, 0, 0]
    assert len(stored_events(settings)) == 4


def test_expired_rows_are_written_so_that_the_reader_finds_them_stale(settings: FeatureSettings) -> None:
    # given: long after the last reading
    at = START + timedelta(days=30)
    examples = make_examples(rows=1).assign(device="d0", site=1, event_timestamp=at)
    # when
    OnlineFeed(settings, "small_v1", examples).advance(at)
    # then
    served = OnlineReader(settings, "small_v1").read(records(examples), [at])[0]
    assert served.status["level"] == "stale"


def test_a_gap_between_instants_is_caught_up(settings: FeatureSettings) -> None:
    # given
    examples = make_examples(rows=100)
    stepwise = OnlineFeed(settings, "small_v1", examples)
    for instant in instants_of(examples):
        stepwise.advance(instant)
    expected = stored_events(settings)
    # when
    clear_online_store(settings, "small_v1")
    assert not stored_events(settings)
    feed = OnlineFeed(settings, "small_v1", examples)
    feed.advance(instants_of(examples)[-1])
    # then
    assert stored_events(settings) == expected
    assert feed.advance(START) == 0
