"""Operations tables against a handful of flights whose answers are plain."""

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.flight_delay.tables.carrier_operations import build_carrier_operations
from features.flight_delay.tables.destination_operations import build_destination_operations
from features.flight_delay.tables.operations import BACKLOG_PATIENCE, LATEST
from features.flight_delay.tables.origin_operations import build_origin_operations

NOON = datetime(2013, 5, 14, 12, tzinfo=UTC)


def make_legs(*legs: tuple[int, int | None, int | None]) -> pd.DataFrame:
    """Legs JFK to LAX of 300 minutes: (scheduled after noon, departure delay, arrival delay), in minutes."""
    frame = pd.DataFrame(legs, columns=["scheduled", "dep_delay", "arr_delay"], dtype="Int64")
    frame["scheduled"] += int(NOON.timestamp()) // 60
    frame["due"] = frame["scheduled"] + 300
    frame["departed"] = frame["scheduled"] + frame["dep_delay"]
    frame["arrived"] = frame["due"] + frame["arr_delay"]
    return frame.assign(origin="JFK", carrier="DL", dest="LAX")


LEGS = make_legs(
    (0, 0, -10),  # leaves on time
    (30, 45, 400),  # leaves at 75, lands very late
    (60, None, None),  # is cancelled
    (100, -5, 20),  # leaves early, lands late
    (900, 0, 0),
)


@pytest.fixture(scope="module")
def origin() -> pd.DataFrame:
    table = build_origin_operations(ibis.memtable(LEGS)).execute()
    return table.set_index("event_timestamp").sort_index()


def after_noon(table: pd.DataFrame, minutes: int) -> pd.Series:
    row = table.loc[NOON + timedelta(minutes=minutes)]
    assert isinstance(row, pd.Series)
    return row


def test_the_backlog_is_what_should_have_left_and_has_not(origin: pd.DataFrame) -> None:
    backlog = [after_noon(origin, minutes)["backlog"] for minutes in (0, 30, 60, 70, 75, 100)]
    assert backlog == [0, 1, 2, 2, 1, 1]
    assert after_noon(origin, 70)["backlog_wait"] == (40 + 10) / 2
    assert after_noon(origin, 70)["backlog_share"] == 2 / 3


def test_a_flight_that_never_leaves_is_given_up(origin: pd.DataFrame) -> None:
    assert after_noon(origin, 60 + BACKLOG_PATIENCE - 5)["backlog"] == 1
    assert after_noon(origin, 60 + BACKLOG_PATIENCE)["backlog"] == 0


def test_a_departure_counts_from_its_own_moment_on(origin: pd.DataFrame) -> None:
    assert after_noon(origin, 70)["departures_2h"] == 1
    assert after_noon(origin, 75)["departures_2h"] == 2
    assert after_noon(origin, 75)["departure_delay_2h"] == 45 / 2
    assert after_noon(origin, 75)["late_departure_share_2h"] == 0.5


def test_an_empty_window_is_zero_and_its_means_are_null(origin: pd.DataFrame) -> None:
    empty = after_noon(origin, 600)
    assert empty[["backlog", "departures_2h", "scheduled_around"]].tolist() == [0, 0, 0]
    assert empty[["departure_delay_1h", "departure_delay_4h", "backlog_wait"]].isna().all()


def test_an_arrival_counts_once_landed_and_is_clipped(origin: pd.DataFrame) -> None:
    assert np.isnan(after_noon(origin, 285)["arrival_delay_3h"])
    assert after_noon(origin, 290)["arrival_delay_3h"] == -10
    landed = after_noon(origin, 730)  # only the very late one, landed at 730
    assert landed["arrival_delay_3h"] == LATEST


def test_the_published_schedule_ahead_is_known(origin: pd.DataFrame) -> None:
    assert after_noon(origin, 0)["scheduled_until"] == 3
    assert after_noon(origin, 780)["scheduled_around"] == 1


def test_the_grid_has_every_instant(origin: pd.DataFrame) -> None:
    steps = origin.index.to_series().diff().dropna()
    assert (steps == timedelta(minutes=5)).all()
    assert origin.index[0] <= NOON - timedelta(hours=2)


@pytest.mark.parametrize("build", [build_carrier_operations, build_destination_operations])
def test_tables_of_changes_end_with_an_empty_row(build: object) -> None:
    table = build(ibis.memtable(LEGS)).execute().sort_values("event_timestamp")  # type: ignore[operator]
    last = table.iloc[-1]
    assert last.filter(like="_backlog").iloc[0] == 0
    assert last.filter(like="delay").isna().all()


def test_the_carriers_backlog_follows_its_flights() -> None:
    table = build_carrier_operations(ibis.memtable(LEGS)).execute().set_index("event_timestamp").sort_index()
    assert table[: NOON + timedelta(minutes=65)].iloc[-1]["carrier_backlog"] == 2
    assert table[: NOON + timedelta(minutes=85)].iloc[-1]["carrier_backlog"] == 1
