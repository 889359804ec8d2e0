"""Online equals offline: what is served at an example's instant is what history retrieves for it, exactly."""

import math
from itertools import groupby
from pathlib import Path

import pandas as pd

from features.feed import OnlineFeed
from features.historical import historical_features
from features.online import OnlineReader, ServedFeatures
from features.settings import FeatureSettings
from features.store import open_store
from tests.features.small_world import build_world, make_examples


def serve_in_time(settings: FeatureSettings, service: str, examples: pd.DataFrame) -> list[ServedFeatures]:
    """Relive the examples in order: feed each instant, then read its examples in one request."""
    feed, reader = OnlineFeed(settings, service, examples), OnlineReader(settings, service)
    served: list[ServedFeatures] = []
    records = examples.to_dict("records")
    for instant, group in groupby(records, key=lambda row: row["event_timestamp"]):
        rows = list(group)
        feed.advance(instant.to_pydatetime())
        served += reader.read(rows, [instant.to_pydatetime()] * len(rows))
    return served


def same(one: object, other: object) -> bool:
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, other)]
    return missing[0] and missing[1] if any(missing) else one == other


def test_every_served_value_is_the_historical_one(tmp_path: Path) -> None:
    # given
    settings = build_world(tmp_path)
    examples = make_examples(rows=600).sort_values(["event_timestamp", "example_id"])
    # when
    served = serve_in_time(settings, "small_v1", examples)
    retrieved = historical_features(open_store(settings), "small_v1", examples)
    # then
    differing = [
        (row["example_id"], name, value, row[name])
        for answer, row in zip(served, retrieved.to_dict("records"), strict=True)
        for name, value in answer.values.items()
        if not same(value, row[name])
    ]
    assert not differing
    statuses = [status for answer in served for status in answer.status.values()]
    assert min(statuses.count(status) for status in ("present", "missing", "stale")) >= 100
