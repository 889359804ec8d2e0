"""What follows from the request together with what was looked up for it, worked out for one flight."""

from collections.abc import Callable

import numpy as np

from tests.flight_delay.recompute_history import PARTS
from tests.flight_delay.recompute_question import Question, Values
from tests.flight_delay.recompute_world import local_offset

TURNAROUND = 45
PRIOR = 10


def request_facts(question: Question, known: Values) -> Values:
    """Local clocks, length and speed of the published flight."""
    leaves = _local(question.departure, known.get("origin_zone"))
    lands = _local(question.arrival, known.get("dest_zone"))
    lasts = question.arrival - question.departure
    return {
        "local_hour": leaves // 60 % 24,
        "local_minute": leaves % 1440,
        "local_weekday": (leaves // 1440 + 3) % 7,  # 1970 began on a Thursday, Monday is 0
        "arrival_local_hour": lands // 60 % 24,
        "scheduled_minutes": lasts,
        "scheduled_minutes_per_100_miles": _ratio(lasts * 100, question.distance),
        "distance_miles": question.distance,
    }


def congestion(question: Question, known: Values) -> Values:
    """The backlog against what is still to leave, and whether delays have grown."""
    trend = _number(known, "departure_delay_1h") - _number(known, "departure_delay_4h")
    share = _ratio(_number(known, "backlog"), _number(known, "scheduled_until"))
    return {"backlog_per_scheduled": share, "departure_delay_trend": trend}


def aircraft_readiness(question: Question, known: Values) -> Values:
    """Whether the aircraft can be here in time, if it turns round and flies straight back."""
    since = question.departure - _number(known, "aircraft_scheduled")
    back = _number(known, "aircraft_expected_arrival") + TURNAROUND + _number(known, "aircraft_leg_minutes")
    return {"aircraft_margin": question.departure - (back + TURNAROUND), "aircraft_minutes_since": since}


def day_part_history(question: Question, known: Values) -> Values:
    """The airline at the destination: over the day, and in this part of it, drawn towards the day."""
    hour = _local(question.departure, known.get("origin_zone")) // 60 % 24
    arrivals = sum(_number(known, f"pair_arrivals_{part}") for part in PARTS)
    share = _ratio(sum(_number(known, f"pair_late_{part}") for part in PARTS), arrivals)
    part = next((part for part, (first, after) in PARTS.items() if first <= hour < after), "")
    late, landed = _number(known, f"pair_late_{part}"), _number(known, f"pair_arrivals_{part}")
    return {
        "pair_arrivals": arrivals,
        "pair_late_share": share,
        "pair_part_late_share": _ratio(late + PRIOR * share, landed + PRIOR),
    }


ON_DEMAND: tuple[tuple[tuple[str, ...], Callable[[Question, Values], Values]], ...] = (
    (("origin_facts", "destination_facts"), request_facts),
    (("origin_operations",), congestion),
    (("aircraft_legs",), aircraft_readiness),
    (("origin_facts", "carrier_destination_history"), day_part_history),
)


def _local(minute: float, zone: object) -> float:
    return minute + local_offset(minute, zone) if isinstance(zone, str) else np.nan


def _number(known: Values, name: str) -> float:
    value = known.get(name)
    return np.nan if value is None else float(value)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else np.nan
