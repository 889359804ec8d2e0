"""Windows: disjoint, in time order, newest last, nothing from `as_of` on."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.problem import Windows
from training.errors import EmptyWindowError
from training.splits import WINDOW_NAMES, divide, rows_within, window_ranges

AS_OF = datetime(2024, 5, 1, tzinfo=UTC)
lengths = st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=40))
fits = st.one_of(st.none(), lengths)


def stamps(ages: list[int]) -> pd.Series:
    instants = sorted(AS_OF - timedelta(minutes=age) for age in ages)
    return pd.Series(pd.to_datetime(instants, utc=True))


@given(fit=fits, stop=lengths, calibration=lengths, gate=lengths)
def test_each_window_ends_where_the_next_begins(
    fit: timedelta | None, stop: timedelta, calibration: timedelta, gate: timedelta
) -> None:
    ranges = [
        span
        for _, span in window_ranges(
            Windows(fit=fit, early_stopping=stop, calibration=calibration, gate=gate), AS_OF
        )
    ]
    assert all(span.start < span.end for span in ranges)
    assert all(earlier.end == later.start for earlier, later in pairwise(ranges))
    assert ranges[-1].end == AS_OF


@given(
    ages=st.lists(st.integers(-600, 100_000), max_size=80),
    fit=fits,
    stop=lengths,
    calibration=lengths,
    gate=lengths,
)
def test_each_row_is_in_one_window_at_most_and_none_is_from_the_future(
    ages: list[int], fit: timedelta | None, stop: timedelta, calibration: timedelta, gate: timedelta
) -> None:
    instants = stamps(ages)
    ranges = dict(
        window_ranges(Windows(fit=fit, early_stopping=stop, calibration=calibration, gate=gate), AS_OF)
    )
    positions = [range(len(instants))[rows_within(instants, ranges[name])] for name in WINDOW_NAMES]
    taken = [position for window in positions for position in window]
    assert taken == sorted(set(taken))
    assert all(instants[position] < AS_OF for position in taken)
    for name, window in zip(WINDOW_NAMES, positions, strict=True):
        assert all(ranges[name].start <= instants[position] < ranges[name].end for position in window)


def test_an_expanding_fit_window_keeps_everything_and_a_sliding_one_forgets() -> None:
    # given one example an hour for 60 days
    instants = stamps([60 * hour + 1 for hour in range(60 * 24)])
    day = timedelta(days=1)
    # when they are divided with and without a limit
    expanding = divide(
        instants, Windows(early_stopping=day, calibration=day, gate=day, minimum_rows=1), AS_OF
    )
    sliding = divide(
        instants, Windows(fit=10 * day, early_stopping=day, calibration=day, gate=day, minimum_rows=1), AS_OF
    )
    # then only the fit window differs
    assert expanding["fit"] == slice(0, 57 * 24)
    assert sliding["fit"] == slice(47 * 24, 57 * 24)
    assert {name: rows for name, rows in expanding.items() if name != "fit"} == {
        name: rows for name, rows in sliding.items() if name != "fit"
    }


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_an_expanding_fit_window_reaches_back_before_1970(unit: Literal["us", "ns"]) -> None:
    days = [datetime(1890, 3, 1, tzinfo=UTC), *(AS_OF - timedelta(days=age) for age in (9, 2.5, 1.5, 0.5))]
    day = timedelta(days=1)
    windows = Windows(early_stopping=day, calibration=day, gate=day, minimum_rows=1)
    instants = pd.Series(pd.to_datetime(days, utc=True)).dt.as_unit(unit)
    assert divide(instants, windows, AS_OF)["fit"] == slice(0, 2)


@pytest.mark.parametrize(("ages", "window"), [([], "fit"), ([50_000] * 20, "early_stopping")])
def test_an_empty_window_is_named(ages: list[int], window: str) -> None:
    day = timedelta(days=1)
    windows = Windows(early_stopping=day, calibration=day, gate=day, minimum_rows=10)
    with pytest.raises(EmptyWindowError, match=f"the {window} window"):
        divide(stamps(ages), windows, AS_OF)
