"""On-demand transformations: what follows from the request itself and from looked-up features.

Each takes lists of equal length by name and returns lists of floats, NaN where an input is missing. They are
vectorised with numpy and use no clock: the same call answers one request online and a year offline.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from features.flight_delay.day_parts import DAY_PARTS

Inputs = Mapping[str, Sequence[Any]]
Outputs = dict[str, list[float]]
Floats = NDArray[np.float64]

# From landing to the next departure of the same aircraft, as a rule of thumb for a narrow-body.
TURNAROUND_MINUTES = 45.0
PRIOR_ARRIVALS = 10.0
PART_ENDS = np.array([end for _, end in DAY_PARTS.values()], dtype=np.float64)


def describe_request(inputs: Inputs) -> Outputs:
    """Return what the request says by itself, in the origin's local time.

    Inputs: `scheduled_departure`, `scheduled_arrival` (UTC), `distance` (miles), `origin_zone`
    and `dest_zone` (IANA names).
    """
    departure = epoch_minutes(inputs["scheduled_departure"])
    arrival = epoch_minutes(inputs["scheduled_arrival"])
    distance = numbers(inputs["distance"])
    local = departure + utc_offsets(departure, inputs["origin_zone"])
    landing = arrival + utc_offsets(arrival, inputs["dest_zone"])
    minutes = arrival - departure
    return {
        "local_hour": np.floor(local % 1440 / 60).tolist(),
        "local_minute": (local % 1440).tolist(),
        "local_weekday": weekday(local).tolist(),
        "arrival_local_hour": np.floor(landing % 1440 / 60).tolist(),
        "scheduled_minutes": minutes.tolist(),
        "scheduled_minutes_per_100_miles": ratio(100 * minutes, distance).tolist(),
        "distance_miles": distance.tolist(),
    }


def describe_congestion(inputs: Inputs) -> Outputs:
    """Return how the origin's backlog compares with what is published, and whether its delays are growing."""
    backlog = numbers(inputs["backlog"])
    recent, longer = numbers(inputs["departure_delay_1h"]), numbers(inputs["departure_delay_4h"])
    return {
        "backlog_per_scheduled": ratio(backlog, numbers(inputs["scheduled_until"])).tolist(),
        "departure_delay_trend": (recent - longer).tolist(),
    }


def describe_aircraft(inputs: Inputs) -> Outputs:
    """Return where the aircraft stands against this departure, two hours before it.

    `aircraft_margin` is the time to spare (minutes) if it flies straight back from its last known leg:
    negative means that it can hardly be on time. Its known state dates from
    `aircraft_minutes_since` before the departure.
    """
    departure = epoch_minutes(inputs["scheduled_departure"])
    back = numbers(inputs["aircraft_expected_arrival"]) + numbers(inputs["aircraft_leg_minutes"])
    since = departure - numbers(inputs["aircraft_scheduled"])
    return {
        "aircraft_margin": (departure - back - 2 * TURNAROUND_MINUTES).tolist(),
        "aircraft_minutes_since": since.tolist(),
    }


def choose_day_part(inputs: Inputs) -> Outputs:
    """Return how this airline did to this destination in the part of the day of this departure.

    The share late in that part is drawn towards the share over the whole day, as if `PRIOR_ARRIVALS` more had
    been seen there; NaN when nothing landed in the period.
    """
    departure = epoch_minutes(inputs["scheduled_departure"])
    hour = (departure + utc_offsets(departure, inputs["origin_zone"])) % 1440 // 60
    arrivals = np.array([inputs[f"pair_arrivals_{part}"] for part in DAY_PARTS], dtype=np.float64)
    late = np.array([inputs[f"pair_late_{part}"] for part in DAY_PARTS], dtype=np.float64)
    overall = ratio(late.sum(axis=0), arrivals.sum(axis=0))
    drawn = (at_hour(hour, late) + PRIOR_ARRIVALS * overall) / (at_hour(hour, arrivals) + PRIOR_ARRIVALS)
    return {
        "pair_late_share": overall.tolist(),
        "pair_part_late_share": drawn.tolist(),
    }


def at_hour(hour: Floats, parts: Floats) -> Floats:
    """Return, column by column, the row of `parts` (one per part of the day) that the local hour falls in."""
    part = np.searchsorted(PART_ENDS, hour, side="right")
    chosen = parts[np.minimum(part, len(PART_ENDS) - 1), np.arange(len(hour))]
    return np.where(np.isnan(hour), np.nan, chosen)


def numbers(values: Sequence[Any]) -> Floats:
    """Return the values as floats, None as NaN."""
    return np.asarray(values, dtype=np.float64)


def epoch_minutes(values: Sequence[Any]) -> Floats:
    """Return instants (aware datetimes, or epoch seconds) as minutes since 1970 UTC, None as NaN."""
    return np.array([_epoch_seconds(value) for value in values], dtype=np.float64) / 60.0


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, NaN where whole is zero or missing."""
    return part / np.where(whole == 0, np.nan, whole)


def weekday(local_minutes: Floats) -> Floats:
    """Return the day of the week, Monday 0 (1970-01-01 was a Thursday)."""
    return (np.floor(local_minutes / 1440) + 3) % 7


def utc_offsets(minutes: Floats, zones: Sequence[Any]) -> Floats:
    """Return each instant's offset from UTC in minutes in its zone; NaN for an unknown zone or instant."""
    hours = np.floor(minutes / 60)
    return np.array([_offset(hour, zone) for hour, zone in zip(hours.tolist(), zones, strict=True)])


@lru_cache(maxsize=100_000)
def _offset(hour: float, zone: str | None) -> float:
    """Return the UTC offset in minutes during one hour since 1970; zones change their clocks on the hour."""
    if hour != hour or zone is None:
        return float("nan")
    try:
        offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (KeyError, ValueError, OSError):
        return float("nan")
    return float("nan") if offset is None else offset.total_seconds() / 60


def _epoch_seconds(value: Any) -> float:
    if value is None or value != value:
        return float("nan")
    return value.timestamp() if isinstance(value, datetime) else float(value)
