"""What is served at each example's own instant, and whether that is what history retrieves for it."""

import math
from collections import Counter
from itertools import groupby

import pandas as pd

from features.online.feed import OnlineFeed
from features.online.reader import OnlineReader, ServedFeatures
from features.settings import FeatureSettings
from tests.frames import records


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
