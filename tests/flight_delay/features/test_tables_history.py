"""Histories and the aircraft's state against a handful of flights whose answers are plain."""

from datetime import UTC, datetime, timedelta

import ibis
import pandas as pd
import pytest

from features.flight_delay.tables.aircraft import build_aircraft_legs
from features.flight_delay.tables.flight_history import LAST, build_flight_history
from features.flight_delay.tables.history import (
    CARRIER_DAYS,
    REFRESH_MINUTE,
    build_carrier_destination_history,
    build_route_history,
)
from features.flight_delay.tables.operations import BACKLOG_PATIENCE
from features.flight_delay.tables.weather import build_weather

NOON = datetime(2013, 5, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def make_legs(*legs: tuple[float, int | None, int | None]) -> pd.DataFrame:
    """Legs of one aircraft JFK to LAX in 300 minutes: (scheduled after noon, delays at both ends)."""
    frame = pd.DataFrame(legs, columns=["scheduled", "dep_delay", "arr_delay"], dtype="Int64")
    frame["scheduled"] += int(NOON.timestamp()) // 60
    frame["due"] = frame["scheduled"] + 300
    frame["departed"] = frame["scheduled"] + frame["dep_delay"]
    frame["arrived"] = frame["due"] + frame["arr_delay"]
    frame["example_id"] = [f"leg-{number:02d}" for number in range(len(frame))]
    return frame.assign(origin="JFK", carrier="DL", dest="LAX", flight=1, tailnum="N1", local_hour=8)


def newest(table: pd.DataFrame, moment: datetime) -> pd.Series:
    return table.set_index("event_timestamp").sort_index()[:moment].iloc[-1]


def test_an_aircraft_waits_goes_and_lands() -> None:
    # Given a leg scheduled at noon that leaves at 12:40 and lands 25 minutes late
    table = build_aircraft_legs(ibis.memtable(make_legs((0, 40, 25)))).execute()

    # When looking before, between and after
    looks = [newest(table, NOON + timedelta(minutes=minutes)) for minutes in (10, 40, 325)]

    # Then each knows only what had happened
    assert [look["aircraft_status"] for look in looks] == ["waiting", "gone", "landed"]
    assert pd.isna(looks[0]["aircraft_departure_delay"])
    assert looks[1]["aircraft_departure_delay"] == 40
    assert pd.isna(looks[1]["aircraft_arrival_delay"])
    due = looks[0]["aircraft_scheduled"] + 300
    assert looks[1]["aircraft_expected_arrival"] == due + 40
    assert looks[2]["aircraft_expected_arrival"] == due + 25


def test_an_aircraft_that_never_leaves_is_given_up() -> None:
    table = build_aircraft_legs(ibis.memtable(make_legs((0, None, None)))).execute()
    assert newest(table, NOON + timedelta(minutes=BACKLOG_PATIENCE - 1))["aircraft_status"] == "waiting"
    assert newest(table, NOON + timedelta(minutes=BACKLOG_PATIENCE))["aircraft_status"] == "given_up"


def test_two_events_in_one_minute_leave_one_row() -> None:
    # Given a leg that lands in the minute in which the next one is scheduled, and one that leaves on time
    table = build_aircraft_legs(ibis.memtable(make_legs((0, 0, 20), (320, 15, 0)))).execute()
    assert not table.duplicated(["tailnum", "event_timestamp"]).any()
    assert newest(table, NOON + timedelta(minutes=320))["aircraft_status"] == "waiting"


def test_flights_without_an_aircraft_have_no_row() -> None:
    table = build_aircraft_legs(ibis.memtable(make_legs((0, 0, 0)).assign(tailnum=None)))
    assert table.count().execute() == 0


def test_a_flight_numbers_history_is_its_last_arrivals() -> None:
    # Given more arrivals than are looked back on: early ones an hour late, the last ten on time
    late, on_time = (
        [(day * 1440, 0, 60) for day in range(3)],
        [(day * 1440, 0, 0) for day in range(3, 3 + LAST)],
    )
    table = build_flight_history(ibis.memtable(make_legs(*late, *on_time))).execute()

    # When looking after three and after all
    three = newest(table, NOON + 2 * DAY + timedelta(hours=7))
    everything = newest(table, NOON + 30 * DAY)

    # Then
    assert (three["flight_late_share"], three["flight_arrival_delay"]) == (1, 60)
    assert (everything["flight_late_share"], everything["flight_last_arrival_delay"]) == (0, 0)


def test_a_slow_history_moves_once_a_day_and_runs_empty() -> None:
    # Given one late arrival, at 17:20
    table = build_route_history(ibis.memtable(make_legs((0, 5, 20)))).execute()

    # Then it is known at the next refresh, counts for 7 and for 28 days, and is then zero
    midnight = datetime(2013, 5, 15, tzinfo=UTC)
    refresh = midnight + timedelta(minutes=REFRESH_MINUTE)
    assert table["event_timestamp"].min() == refresh
    assert newest(table, refresh)["route_late_share_7d"] == 1
    assert newest(table, refresh)["route_lost_7d"] == 15
    assert pd.isna(newest(table, refresh + 7 * DAY)["route_late_share_7d"])
    assert newest(table, refresh + 7 * DAY)["route_late_share_28d"] == 1
    assert newest(table, refresh + 28 * DAY)["route_arrivals_28d"] == 0


def test_a_pairs_history_is_kept_by_part_of_the_day() -> None:
    table = build_carrier_destination_history(ibis.memtable(make_legs((0, 5, 20), (1440, 0, 0)))).execute()
    seen = newest(table, NOON + 3 * DAY)
    assert (seen["pair_arrivals_morning"], seen["pair_late_morning"]) == (2, 1)
    assert seen.filter(like="evening").tolist() == [0, 0]
    assert newest(table, NOON + (CARRIER_DAYS + 3) * DAY)["pair_arrivals_morning"] == 0


def test_weather_is_known_once_its_hour_has_ended() -> None:
    # Given four hours of observations, one hour missing
    hours = [NOON + timedelta(hours=hour) for hour in (0, 1, 3, 4)]
    names = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "visib")
    frame = pd.DataFrame({"origin": "JFK", "time_hour": hours, "precip": [0.1, 0.2, 0.4, 0.8]})
    frame = frame.assign(pressure=[1000.0, 1001.0, 1002.0, 1005.0], **dict.fromkeys(names, 1.0))

    # When
    table = build_weather(ibis.memtable(frame)).execute().sort_values("event_timestamp")

    # Then
    assert table["event_timestamp"].tolist() == [hour + timedelta(hours=1) for hour in hours]
    assert table["precip_3h"].tolist() == pytest.approx([0.1, 0.3, 0.6, 1.2])
    assert table["pressure_change"].tolist()[3] == 5
    assert table["pressure_change"].isna().tolist() == [True, True, True, False]


def test_an_arrival_is_known_when_the_flight_lands_and_no_minute_before() -> None:
    legs = make_legs((0, 0, 0), (1440, 10, 30))

    table = build_flight_history(ibis.memtable(legs)).execute()

    landed = pd.to_datetime(legs["arrived"].astype("int64") * 60, unit="s", utc=True)
    assert sorted(table["event_timestamp"]) == landed.tolist()
