"""On-demand transformations: local clocks, margins, parts of the day, and one row answered as many."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from features.flight_delay.day_parts import DAY_PARTS
from features.flight_delay.transformations import (
    PRIOR_ARRIVALS,
    TURNAROUND_MINUTES,
    choose_day_part,
    describe_aircraft,
    describe_congestion,
    describe_request,
    epoch_minutes,
)

NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"


def request(
    departure: datetime, arrival: datetime, origin_zone: str | None = NEW_YORK
) -> dict[str, list[object]]:
    return {
        "scheduled_departure": [departure],
        "scheduled_arrival": [arrival],
        "distance": [2475.0],
        "origin_zone": [origin_zone],
        "dest_zone": [LOS_ANGELES],
    }


@pytest.mark.parametrize(
    ("departure", "hour", "weekday"),
    [
        (datetime(2013, 3, 10, 6, 30, tzinfo=UTC), 1, 6),  # the last hour of winter time
        (datetime(2013, 3, 10, 7, 30, tzinfo=UTC), 3, 6),  # an hour later the clocks have moved
        (datetime(2013, 11, 3, 5, 30, tzinfo=UTC), 1, 6),  # half past one, the first time
        (datetime(2013, 11, 3, 6, 30, tzinfo=UTC), 1, 6),  # and the second
        (datetime(2013, 7, 2, 2, 15, tzinfo=UTC), 22, 0),  # still Monday in New York
    ],
)
def test_the_clock_is_the_origins(departure: datetime, hour: int, weekday: int) -> None:
    answer = describe_request(request(departure, datetime(2013, 12, 1, tzinfo=UTC)))
    assert answer["local_hour"] == [hour]
    assert answer["local_weekday"] == [weekday]
    assert answer["local_minute"] == [hour * 60 + departure.minute]


def test_the_arrival_is_on_the_destinations_clock() -> None:
    answer = describe_request(
        request(datetime(2013, 5, 14, 18, 30, tzinfo=UTC), datetime(2013, 5, 15, 0, 40, tzinfo=UTC))
    )
    assert answer["arrival_local_hour"] == [17]
    assert answer["scheduled_minutes"] == [370]
    assert answer["distance_miles"] == [2475]
    assert answer["scheduled_minutes_per_100_miles"] == [pytest.approx(100 * 370 / 2475)]


@pytest.mark.parametrize("zone", [None, "Nowhere/At_All"])
def test_an_unknown_zone_has_no_local_clock(zone: str | None) -> None:
    moment = datetime(2013, 5, 14, 18, 30, tzinfo=UTC)
    answer = describe_request(request(moment, moment, zone))
    assert np.isnan(answer["local_hour"]).all()
    assert answer["distance_miles"] == [2475]


def test_congestion_compares_with_the_schedule_and_with_earlier() -> None:
    inputs = {
        "backlog": [6.0, 0.0, None],
        "scheduled_until": [30.0, 0.0, None],
        "departure_delay_1h": [25.0, None, 1.0],
        "departure_delay_4h": [10.0, 3.0, None],
    }
    answer = describe_congestion(inputs)
    np.testing.assert_equal(answer["backlog_per_scheduled"], [0.2, np.nan, np.nan])
    np.testing.assert_equal(answer["departure_delay_trend"], [15.0, np.nan, np.nan])


def test_an_aircraft_that_cannot_be_back_has_a_negative_margin() -> None:
    # Given a leg of two hours that is expected to land an hour before the next departure
    departure = datetime(2013, 5, 14, 18, 30, tzinfo=UTC)
    minute = departure.timestamp() / 60
    inputs: dict[str, list[Any]] = {
        "scheduled_departure": [departure, departure],
        "aircraft_expected_arrival": [minute - 60, None],
        "aircraft_leg_minutes": [120.0, None],
        "aircraft_scheduled": [minute - 200, None],
    }

    # When
    answer = describe_aircraft(inputs)

    # Then it is short of the way back and two turnarounds; an unknown aircraft has no margin
    np.testing.assert_equal(answer["aircraft_margin"], [60 - 120 - 2 * TURNAROUND_MINUTES, np.nan])
    np.testing.assert_equal(answer["aircraft_minutes_since"], [200, np.nan])


def test_the_part_of_the_day_is_drawn_towards_the_whole_day() -> None:
    # Given 20 arrivals in the morning, half of them late, and 80 at noon, none late
    inputs: dict[str, list[object]] = {f"pair_arrivals_{part}": [0.0, 0.0] for part in DAY_PARTS}
    inputs |= {f"pair_late_{part}": [0.0, 0.0] for part in DAY_PARTS}
    inputs |= {"pair_arrivals_morning": [20.0, 0.0], "pair_late_morning": [10.0, 0.0]}
    inputs |= {"pair_arrivals_noon": [80.0, 0.0]}
    nine = datetime(2013, 5, 14, 13, tzinfo=UTC)
    inputs |= {"scheduled_departure": [nine, nine], "origin_zone": [NEW_YORK, NEW_YORK]}

    # When
    answer = choose_day_part(inputs)

    # Then, and a pair that nothing landed for has no share
    np.testing.assert_equal(answer["pair_late_share"], [0.1, np.nan])
    expected = (10 + PRIOR_ARRIVALS * 0.1) / (20 + PRIOR_ARRIVALS)
    np.testing.assert_equal(answer["pair_part_late_share"], [expected, np.nan])


def test_instants_may_be_missing_or_epoch_seconds() -> None:
    np.testing.assert_equal(
        epoch_minutes([None, 120, datetime(1970, 1, 1, 0, 3, tzinfo=UTC)]), [np.nan, 2, 3]
    )


def test_one_row_is_answered_as_many_are() -> None:
    # Given a year of departures, hour by hour
    hours = [datetime.fromtimestamp(1_356_998_400 + 5_400 * step, UTC) for step in range(5_800)]
    zones = [NEW_YORK, LOS_ANGELES, None] * 2_000
    inputs: dict[str, list[object]] = {
        "scheduled_departure": list(hours),
        "scheduled_arrival": list(hours),
        "distance": [100.0] * len(hours),
        "origin_zone": list(zones[: len(hours)]),
        "dest_zone": list(zones[: len(hours)]),
    }

    # When asked at once and, for some, one by one
    together = describe_request(inputs)
    for row in range(0, len(hours), 97):
        alone = describe_request({name: values[row : row + 1] for name, values in inputs.items()})
        # Then
        for name, values in alone.items():
            np.testing.assert_equal(values, together[name][row : row + 1])
