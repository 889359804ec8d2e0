"""Histories worked out flight by flight: flight numbers, routes, airlines, aircraft; weather and facts."""

import numpy as np

from tests.flight_delay.recompute_operations import CLIP, LATE, PATIENCE, floor, mean, summary
from tests.flight_delay.recompute_question import Question, Row, Values
from tests.flight_delay.recompute_world import UNLISTED_ZONE, Array, Flights, World

DAY = 1440
REFRESH = 9 * 60
LAST_ARRIVALS = 10
EVER = 0.0
PARTS = {
    "dawn": (0, 8), "morning": (8, 11), "noon": (11, 14),
    "afternoon": (14, 17), "evening": (17, 20), "night": (20, 24),
}  # fmt: skip
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")


def weather(world: World, question: Question) -> Row | None:
    """The last observation whose hour is over, three hours of rain, the change over three observations."""
    rows = world.weather.get(question.origin)
    rows = None if rows is None else rows[rows["known"] <= question.instant]
    if rows is None or rows.empty:
        return None
    newest, before = rows.iloc[-1], rows.iloc[-4] if len(rows) > 3 else None
    rain = rows["precip"][rows["known"] > newest["known"] - 180].dropna()
    values: Values = {name: float(newest[name]) for name in MEASURES}
    values["precip_3h"] = float(rain.sum()) if len(rain) else np.nan
    values["pressure_change"] = np.nan if before is None else float(newest["pressure"] - before["pressure"])
    return Row(float(newest["known"]), values)


def flight_history(world: World, question: Question) -> Row | None:
    """The last ten arrivals under this flight number at this destination."""
    flights = world.of(carrier=question.carrier, flight=question.flight, dest=question.dest)
    landed = flights.where(flights.arrived <= question.instant)
    if not len(landed):
        return None
    last = landed.where(np.argsort(landed.arrived, kind="stable")[-LAST_ARRIVALS:])
    _, delay, late = summary(last.arr_delay)
    values: Values = {
        "flight_arrival_delay": delay,
        "flight_late_share": late,
        "flight_last_arrival_delay": float(last.arr_delay[-1]),
        "flight_departure_delay": mean(np.clip(last.dep_delay, *CLIP)),
    }
    return Row(float(last.arrived[-1]), values)


def route_history(world: World, question: Question) -> Row | None:
    """Arrivals on the route in the 7 and 28 days before the last morning's refresh."""
    flights = world.of(origin=question.origin, dest=question.dest)
    at = _last_refresh(flights.arrived, question.instant, (7, 28))
    if at is None:
        return None
    values: Values = {}
    for days in (7, 28):
        landed = flights.where(_within_days(flights, at, days))
        number, _, late = summary(landed.arr_delay)
        values |= {f"route_arrivals_{days}d": number, f"route_late_share_{days}d": late}
        values[f"route_lost_{days}d"] = mean(landed.arr_delay - landed.dep_delay)
    return Row(at, values)


def carrier_destination_history(world: World, question: Question) -> Row | None:
    """The airline's arrivals at the destination in the 28 days before the refresh, by part of the day."""
    flights = world.of(carrier=question.carrier, dest=question.dest)
    at = _last_refresh(flights.arrived, question.instant, (28,))
    if at is None:
        return None
    landed = flights.where(_within_days(flights, at, 28))
    values: Values = {}
    for part, (first, after) in PARTS.items():
        delays = landed.arr_delay[(landed.hour >= first) & (landed.hour < after)]
        values[f"pair_arrivals_{part}"] = float(len(delays))
        values[f"pair_late_{part}"] = float(np.sum(delays >= LATE))
    return Row(at, values)


def aircraft_legs(world: World, question: Question) -> Row | None:
    """The last thing that was known to happen to the aircraft, and the leg that it happened to.

    In one minute, landing counts after giving up, waiting after landing, leaving after waiting; then the leg
    scheduled later.
    """
    if question.tailnum is None:
        return None
    legs = world.of(tailnum=question.tailnum)
    given_up = legs.scheduled + PATIENCE
    happened = {
        "given_up": np.where(legs.departed <= given_up, np.nan, given_up),
        "landed": legs.arrived,
        "waiting": np.where(legs.departed <= legs.scheduled, np.nan, legs.scheduled),
        "gone": legs.departed,
    }
    events = [
        (at, rank, legs.scheduled[leg], leg, status)
        for rank, (status, instants) in enumerate(happened.items())
        for leg, at in enumerate(instants)
        if at <= question.instant
    ]
    return _describe_leg(legs, max(events)) if events else None


def aircraft_facts(world: World, question: Question) -> Row | None:
    """What the register says of the aircraft."""
    plane = world.planes.get(question.tailnum or "")
    if plane is None:
        return None
    numbers: Values = {
        "aircraft_built": float(str(plane["year"])),
        "aircraft_seats": float(str(plane["seats"])),
    }
    maker = plane["manufacturer"]
    return Row(EVER, {**numbers, "aircraft_maker": maker if isinstance(maker, str) else None})


def carrier_facts(world: World, question: Question) -> Row | None:
    """The airline's code, when it is one."""
    known = question.carrier in world.carriers
    return Row(EVER, {"carrier_code": question.carrier}) if known else None


def origin_facts(world: World, question: Question) -> Row | None:
    """The airport of departure and its time zone."""
    return _airport(world, question.origin, "origin")


def destination_facts(world: World, question: Question) -> Row | None:
    """The airport of arrival and its time zone."""
    return _airport(world, question.dest, "dest")


def _airport(world: World, code: str, end: str) -> Row | None:
    if not len(world.of(**{end: code})):
        return None
    return Row(EVER, {f"{end}_code": code, f"{end}_zone": world.zones.get(code, UNLISTED_ZONE)})


def _describe_leg(legs: Flights, event: tuple[float, int, float, int, str]) -> Row:
    at, _, scheduled, leg, status = event
    dep_delay = legs.dep_delay[leg] if status in ("gone", "landed") else np.nan
    arr_delay = legs.arr_delay[leg] if status == "landed" else np.nan
    late_by = arr_delay if status == "landed" else dep_delay
    values: Values = {
        "aircraft_status": status,
        "aircraft_departure_delay": float(dep_delay),
        "aircraft_arrival_delay": float(arr_delay),
        "aircraft_scheduled": float(scheduled),
        "aircraft_expected_arrival": float(legs.due[leg] + late_by),
        "aircraft_leg_minutes": float(legs.due[leg] - scheduled),
    }
    return Row(float(at), values)


def _within_days(flights: Flights, at: float, days: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return (flights.arrived > at - days * DAY) & (flights.arrived <= at)


def _last_refresh(arrived: Array, instant: float, days: tuple[int, ...]) -> float | None:
    """The last refresh up to `instant` at which an arrival entered or left one of the windows."""
    entered = np.ceil((arrived - REFRESH) / DAY) * DAY + REFRESH
    changes = np.concatenate([entered, *(entered + span * DAY for span in days)])
    changes = changes[changes <= floor(instant - REFRESH, DAY) + REFRESH]
    return float(changes.max()) if len(changes) else None
