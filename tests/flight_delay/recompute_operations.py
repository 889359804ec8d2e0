"""Recent operations worked out flight by flight: what had left, landed, or should have left by an instant."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tests.flight_delay.recompute_question import Question, Row, Values
from tests.flight_delay.recompute_world import Array, Flights, World

CLIP = (-30.0, 180.0)
LATE = 15
PATIENCE = 360
ORIGIN_GRID, FINE_GRID = 5, 10


def origin_operations(world: World, question: Question) -> Row | None:
    """The origin on its grid of five minutes, which begins two hours before the first flight of all."""
    at = floor(question.instant, ORIGIN_GRID)
    all_flights, flights = world.everything.around(at), world.of(origin=question.origin).around(at)
    first, last = world.season
    if not len(world.of(origin=question.origin)) or not ceil(first - 120, ORIGIN_GRID) <= at < last:
        return None
    values: Values = {
        "backlog_wait": at - mean(backlog(flights, at).scheduled),
        "scheduled_until": count(flights.scheduled, at, at + 120),
        "scheduled_around": count(flights.scheduled, at + 90, at + 150),
        "region_backlog": float(len(backlog(all_flights, at))),
        "region_departure_delay_2h": departures(all_flights, at, 120)[1],
        **_backlog(flights, at, ""),
        **_departures(flights, at, "", {"1h": 60, "2h": 120, "4h": 240}),
        **_arrivals(flights, at, "", {"3h": 180}),
    }
    return Row(at, values)


def carrier_operations(world: World, question: Question) -> Row | None:
    """The airline at the origin, as of the last grid instant at which any of it changed."""
    flights = world.of(origin=question.origin, carrier=question.carrier)
    moved = [(flights.departed, 60), (flights.departed, 180)]
    at = _last_change(flights, question.instant, moved)
    if at is None:
        return None
    values = _backlog(flights, at, "carrier_") | _departures(flights, at, "carrier_", {"1h": 60, "3h": 180})
    return Row(at, values)


def destination_operations(world: World, question: Question) -> Row | None:
    """Flights towards the destination out of all origins, as of the last grid instant of change."""
    flights = world.of(dest=question.dest)
    moved = [(flights.departed, 180), (flights.arrived, 240), (flights.arrived, 1440)]
    at = _last_change(flights, question.instant, moved)
    if at is None:
        return None
    values = {
        **_backlog(flights, at, "dest_"),
        **_departures(flights, at, "dest_", {"3h": 180}),
        **_arrivals(flights, at, "dest_", {"4h": 240, "24h": 1440}),
    }
    return Row(at, values)


def backlog(flights: Flights, at: float) -> Flights:
    """Flights that should have left by `at`, have not, and are not given up."""
    return flights.where(
        (flights.scheduled <= at) & ~(flights.departed <= at) & (flights.scheduled + PATIENCE > at)
    )


def departures(flights: Flights, at: float, span: float) -> tuple[float, float, float]:
    """Count, mean delay and share late of the flights that left in the `span` minutes up to `at`."""
    return summary(flights.dep_delay[(flights.departed > at - span) & (flights.departed <= at)])


def arrivals(flights: Flights, at: float, span: float) -> tuple[float, float, float]:
    """Count, mean delay and share late of the flights that landed in the `span` minutes up to `at`."""
    return summary(flights.arr_delay[(flights.arrived > at - span) & (flights.arrived <= at)])


def summary(delays: Array) -> tuple[float, float, float]:
    """Count, mean of the clipped delays, share late; an empty window counts 0 and has no mean."""
    return float(len(delays)), mean(np.clip(delays, *CLIP)), mean(delays >= LATE)


def mean(values: Array | npt.NDArray[np.bool_]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else np.nan


def count(instants: Array, after: float, until: float) -> float:
    """How many lie in (after, until]."""
    return float(np.sum((instants > after) & (instants <= until)))


def floor(minute: float, grid: int) -> float:
    """The last grid minute up to `minute`."""
    return float(np.floor(minute / grid) * grid)


def ceil(minute: float, grid: int) -> float:
    """The first grid minute from `minute` on."""
    return float(np.ceil(minute / grid) * grid)


def _backlog(flights: Flights, at: float, prefix: str) -> Values:
    waiting, planned = float(len(backlog(flights, at))), count(flights.scheduled, at - PATIENCE, at)
    return {f"{prefix}backlog": waiting, f"{prefix}backlog_share": waiting / planned if planned else np.nan}


def _departures(flights: Flights, at: float, prefix: str, spans: dict[str, int]) -> Values:
    values: Values = {}
    for name, span in spans.items():
        number, delay, late = departures(flights, at, span)
        values[f"{prefix}departures_{name}"] = number
        values |= {f"{prefix}departure_delay_{name}": delay, f"{prefix}late_departure_share_{name}": late}
    return values


def _arrivals(flights: Flights, at: float, prefix: str, spans: dict[str, int]) -> Values:
    values: Values = {}
    for name, span in spans.items():
        number, delay, late = arrivals(flights, at, span)
        values[f"{prefix}arrivals_{name}"] = number
        values |= {f"{prefix}arrival_delay_{name}": delay, f"{prefix}late_arrival_share_{name}": late}
    return values


def _last_change(flights: Flights, instant: float, moved: Iterable[tuple[Array, int]]) -> float | None:
    """The last grid instant up to `instant` at which a flight entered or left a window or the backlog.

    A flight enters a window at the first grid instant from its event on, and leaves it a span later.
    """
    planned = on_grid(flights.scheduled)
    gone = on_grid(np.fmin(flights.departed, flights.scheduled + PATIENCE))
    changes = [planned, on_grid(flights.scheduled + PATIENCE), gone[gone > planned]]
    for events, span in moved:
        changes += [on_grid(events), on_grid(events) + span]
    known = np.concatenate(changes)
    known = known[known <= instant]
    return float(known.max()) if len(known) else None


def on_grid(instants: Array) -> Array:
    """Each instant rounded up to the grid of ten minutes."""
    return np.ceil(instants / FINE_GRID) * FINE_GRID
