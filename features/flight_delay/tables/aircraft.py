"""The aircraft's last known leg, as an event stream: scheduled and waiting, gone, landed, given up."""

import ibis
import ibis.expr.types as ir

from features.compute.clocks import instant
from features.flight_delay.tables.aircraft_states import GIVEN_UP, GONE, LANDED, ORDER, WAITING
from features.flight_delay.tables.operations import BACKLOG_PATIENCE


def build_aircraft_legs(legs: ir.Table) -> ir.Table:
    """Return one row per aircraft and minute in which its known state changed.

    `aircraft_status` is `waiting` (scheduled to have left, still here), `gone`, `landed`, or `given_up` (not
    gone `BACKLOG_PATIENCE` minutes after its time). The other columns tell of that leg: delays in minutes
    (null until known), instants in epoch minutes. `aircraft_expected_arrival` is published arrival +
    departure delay until the arrival is known.
    """
    flown = legs.filter(legs.tailnum.notnull())
    events = ibis.union(_waiting(flown), _gone(flown), _landed(flown), _given_up(flown))
    newest_first = ibis.window(
        group_by=["tailnum", "minute"],
        order_by=[events["rank"].desc(), events.scheduled.desc(), events.example_id.desc()],
    )
    ranked = events.mutate(place=ibis.row_number().over(newest_first))
    return _describe(ranked.filter(ranked.place == 0))


def _describe(newest: ir.Table) -> ir.Table:
    return newest.select(
        "tailnum",
        event_timestamp=instant(newest.minute),
        aircraft_status=newest.status,
        aircraft_from=newest.origin,
        aircraft_to=newest.dest,
        aircraft_departure_delay=newest.dep_delay.cast("float64"),
        aircraft_arrival_delay=newest.arr_delay.cast("float64"),
        aircraft_scheduled=newest.scheduled.cast("float64"),
        aircraft_expected_arrival=newest.expected_arrival.cast("float64"),
        aircraft_leg_minutes=(newest.due - newest.scheduled).cast("float64"),
    )


def _waiting(legs: ir.Table) -> ir.Table:
    stayed = legs.departed.isnull() | (legs.departed > legs.scheduled)
    return _events(legs.filter(stayed), WAITING, "scheduled")


def _gone(legs: ir.Table) -> ir.Table:
    return _events(legs.filter(legs.departed.notnull()), GONE, "departed", dep_delay=legs.dep_delay)


def _landed(legs: ir.Table) -> ir.Table:
    landed = legs.filter(legs.arrived.notnull())
    return _events(landed, LANDED, "arrived", dep_delay=landed.dep_delay, arr_delay=landed.arr_delay)


def _given_up(legs: ir.Table) -> ir.Table:
    ends = legs.mutate(ends=legs.scheduled + BACKLOG_PATIENCE)
    return _events(ends.filter(ends.departed.isnull() | (ends.departed > ends.ends)), GIVEN_UP, "ends")


def _events(
    legs: ir.Table,
    status: str,
    at: str,
    dep_delay: ir.IntegerValue | None = None,
    arr_delay: ir.IntegerValue | None = None,
) -> ir.Table:
    unknown = ibis.null("int64")
    late_by = unknown if dep_delay is None else dep_delay
    landed = unknown if arr_delay is None else legs.due + arr_delay
    return legs.select(
        "tailnum",
        "origin",
        "dest",
        "scheduled",
        "due",
        "example_id",
        minute=legs[at],
        status=ibis.literal(status),
        rank=ibis.literal(ORDER[status]),
        dep_delay=late_by,
        arr_delay=unknown if arr_delay is None else arr_delay,
        expected_arrival=ibis.coalesce(landed, legs.due + late_by),
    )
