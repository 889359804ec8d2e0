"""Online equals offline: what is served at an example's instant is what history retrieves for it, exactly."""

import math
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pandas as pd

from features.apply import apply_repository
from features.contract import read_examples
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.online.reader import OnlineReader, ServedFeatures
from features.repository.build import run_build
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.small_world import build_world, make_examples
from tests.frames import records

REAL_DAYS = (datetime(2013, 2, 6, tzinfo=UTC), datetime(2013, 2, 10, tzinfo=UTC))


def serve_in_time(settings: FeatureSettings, service: str, examples: pd.DataFrame) -> list[ServedFeatures]:
    """Relive the examples in order: feed each instant, then read its examples in one request."""
    feed, reader = OnlineFeed(settings, service, examples), OnlineReader(settings, service)
    served: list[ServedFeatures] = []
    for instant, group in groupby(records(examples), key=lambda row: row["event_timestamp"]):
        rows = list(group)
        feed.advance(instant.to_pydatetime())
        served += reader.read(rows, [instant.to_pydatetime()] * len(rows))
    return served


def same(one: object, other: object) -> bool:
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, other)]
    return missing[0] and missing[1] if any(missing) else one == other


def assert_equal(served: list[ServedFeatures], retrieved: pd.DataFrame) -> None:
    differing = [
        (row["example_id"], name, value, row[name])
        for answer, row in zip(served, retrieved.to_dict("records"), strict=True)
        for name, value in answer.values.items()
        if not same(value, row[name])
    ]
    assert not differing


def count_statuses(served: list[ServedFeatures]) -> Counter[str]:
    return Counter(status for answer in served for status in answer.status.values())


def test_every_served_value_is_the_historical_one(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    examples = make_examples(rows=600).sort_values(["event_timestamp", "example_id"])
    # when
    served = serve_in_time(settings, "small_v1", examples)
    retrieved = historical_features(open_store(settings), "small_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert min(count_statuses(served)[status] for status in ("present", "missing", "stale")) >= 100


def test_a_view_under_two_aliases_is_served_under_both(tmp_path: Path) -> None:
    # given: devices that send and receive, some the same
    settings = build_world(tmp_path)
    examples = make_examples(rows=600).sort_values(["event_timestamp", "example_id"])
    examples = examples.rename(columns={"device": "sender"})
    examples = examples.assign(receiver=examples["sender"].sample(frac=1, random_state=3).array)
    # when
    served = serve_in_time(settings, "transfer_v1", examples)
    retrieved = historical_features(open_store(settings), "transfer_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert all(retrieved[name].notna().sum() >= 50 for name in ("level", "mode", "count"))


def test_so_it_is_over_real_flights(tmp_path: Path) -> None:
    # given: four days of the year, some flights with an aircraft or an airline that nobody knows
    settings = FeatureSettings(var=tmp_path)
    run_build(settings, *REAL_DAYS)
    apply_repository(settings)
    examples = read_examples(settings.tables, *REAL_DAYS).sample(400, random_state=5)
    columns = list(examples.columns)
    examples.iloc[:40, columns.index("tailnum")] = "N0NE"
    examples.iloc[40:80, columns.index("carrier")] = "??"
    examples = examples.sort_values(["event_timestamp", "example_id"])
    # when
    served = serve_in_time(settings, "flight_delay_v1", examples)
    retrieved = historical_features(open_store(settings), "flight_delay_v1", examples)
    # then
    assert_equal(served, retrieved)
    assert min(count_statuses(served)[status] for status in ("present", "missing")) >= 100
