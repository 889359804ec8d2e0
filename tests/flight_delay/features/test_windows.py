"""A declared window is a column of the table and a field of the view, and says what a count by hand says."""

from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from feast import Entity, ValueType

from features.flight_delay import definitions
from features.flight_delay.tables.carrier_operations import CARRIER_OPERATIONS
from features.flight_delay.tables.destination_operations import DESTINATION_OPERATIONS
from features.flight_delay.tables.history import CARRIER_DESTINATION_HISTORY, ROUTE_HISTORY
from features.flight_delay.tables.origin_operations import ORIGIN_OPERATIONS
from features.windows.batch import build_windowed
from features.windows.windowed_table import (
    Aggregation,
    Between,
    Feature,
    Moment,
    Span,
    Stream,
    Value,
    WindowedTable,
    at,
)

DECLARED = (
    *(ORIGIN_OPERATIONS, CARRIER_OPERATIONS, DESTINATION_OPERATIONS),
    *(ROUTE_HISTORY, CARRIER_DESTINATION_HISTORY),
)
STARTED = Stream(
    "started",
    at("began"),
    {"30m": 30, "1h": 60},
    (
        Aggregation("started_{window}", "count"),
        Aggregation("size_{window}", "sum", Value("size", "size")),
        Aggregation("mean_size_{window}", "mean", Value("bounded", "size", low=0, high=50), over=("1h",)),
        Aggregation("big_share_{window}", "share", Value("big", where=(Between("size", low=50),))),
    ),
)
OPEN = Span("open", enter=at("began"), leave=Moment((("ended", 0), ("began", 120))))
TABLE = WindowedTable(
    "jobs", ("key",), 10, (STARTED,), levels=(OPEN,), level_features=(Feature("open", "open"),)
)


@pytest.fixture(scope="module")
def jobs() -> pd.DataFrame:
    random = np.random.default_rng(3)
    began = random.integers(1_000, 3_000, 300)
    frame = pd.DataFrame({"key": random.choice(["a", "b"], 300), "began": began})
    ended = pd.Series(began + random.integers(-5, 400, 300), dtype="Int64").where(random.random(300) > 0.2)
    return frame.assign(ended=ended, size=random.integers(-20, 120, 300))


@pytest.fixture(scope="module")
def rows(jobs: pd.DataFrame) -> pd.DataFrame:
    return build_windowed(ibis.memtable(jobs), TABLE).execute()


def on_grid(minute: pd.Series) -> pd.Series:
    marks: Any = np.ceil(minute.astype("float64") / TABLE.grid)
    return marks * TABLE.grid


def test_every_aggregation_is_expanded_over_its_windows() -> None:
    assert TABLE.columns == (
        *("open", "started_30m", "started_1h", "size_30m", "size_1h", "mean_size_1h"),
        *("big_share_30m", "big_share_1h"),
    )


@pytest.mark.parametrize(("window", "minutes"), STARTED.windows.items())
def test_each_window_is_what_a_count_by_hand_says(
    jobs: pd.DataFrame, rows: pd.DataFrame, window: str, minutes: int
) -> None:
    began = on_grid(jobs["began"])
    row: Any
    for row in rows.itertuples():
        minute = row.event_timestamp.timestamp() / 60
        sizes = jobs["size"][(jobs["key"] == row.key) & (began <= minute) & (minute < began + minutes)]
        assert getattr(row, f"started_{window}") == len(sizes)
        assert getattr(row, f"size_{window}") == sizes.sum()
        if len(sizes):
            assert getattr(row, f"big_share_{window}") == (sizes >= 50).mean()
            assert window != "1h" or row.mean_size_1h == pytest.approx(sizes.clip(0, 50).mean())


def test_a_level_holds_what_has_begun_and_neither_ended_nor_been_given_up(
    jobs: pd.DataFrame, rows: pd.DataFrame
) -> None:
    leave = on_grid(pd.concat([jobs["ended"].astype("float64"), jobs["began"] + 120.0], axis=1).min(axis=1))
    began = on_grid(jobs["began"])
    row: Any
    for row in rows.itertuples():
        minute = row.event_timestamp.timestamp() / 60
        assert row.open == ((jobs["key"] == row.key) & (began <= minute) & (minute < leave)).sum()


def test_a_window_more_is_a_field_more() -> None:
    # Given the airline's table with one window more
    (stream,) = CARRIER_OPERATIONS.streams
    wider = replace(CARRIER_OPERATIONS, streams=(replace(stream, windows={**stream.windows, "6h": 360}),))
    key = [Entity(name=name, value_type=ValueType.STRING) for name in wider.keys]
    ttl = definitions.carrier_operations.ttl
    assert ttl is not None

    # When
    view = definitions._windows(wider, key, ttl)

    # Then
    added = {field.name for field in view.features} - set(CARRIER_OPERATIONS.columns)
    assert added == {"carrier_departure_delay_6h"}


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_a_view_has_the_declared_fields_in_order(table: WindowedTable) -> None:
    view = getattr(definitions, table.name)
    assert tuple(field.name for field in view.features) == table.columns
    assert {column.name for column in view.entity_columns} == set(table.keys)
