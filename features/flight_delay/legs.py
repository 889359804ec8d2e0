"""Legs: the raw flights cleaned once, every clock in whole minutes since 1970 UTC."""

import ibis
import ibis.expr.types as ir

from features.compute.clocks import at_zone, clock, epoch_minute
from features.compute.engine import Builder

# Four Puerto Rican and Virgin Islands airports are not in airports.csv; all four keep Puerto Rico's clock.
ZONE_OF_UNLISTED = "America/Puerto_Rico"

# No scheduled flight lands within half an hour of leaving: an earlier local arrival is on the next day.
SHORTEST_LEG = 30

MINUTES_PER_DAY = 1440


def select_legs(flights: ir.Table, airports: ir.Table) -> ir.Table:
    """Return one row per flight: `example_id`, keys, `distance`, delays, and four instants in epoch minutes.

    `scheduled` and `due` are the published departure and arrival; `departed` and `arrived` are what happened
    (published + delay) and null when never recorded. What happened is known from that very minute on.
    """
    zoned = flights.left_join(airports.select("faa", "tzone"), flights.dest == airports.faa)
    zoned = zoned.mutate(scheduled=zoned.time_hour.epoch_seconds().cast("int64") // 60 + zoned.minute)
    due = _due_minute(zoned)
    legs = zoned.mutate(example_id=_example_id(zoned), due=due, flight=zoned.flight.cast("int64"))
    return legs.mutate(
        dep_delay=legs.dep_delay.cast("int64"),
        arr_delay=legs.arr_delay.cast("int64"),
        local_hour=legs.hour,
        departed=legs.scheduled + legs.dep_delay.cast("int64"),
        arrived=legs.due + legs.arr_delay.cast("int64"),
    ).select(
        "example_id", "origin", "carrier", "dest", "flight", "tailnum", "distance",
        "scheduled", "due", "local_hour", "dep_delay", "arr_delay", "departed", "arrived",
    )  # fmt: skip


def _example_id(flights: ir.Table) -> ir.StringValue:
    date = flights.year * 10_000 + flights.month * 100 + flights.day
    parts = [date.cast("string"), flights.origin, flights.carrier, flights.flight.cast("string")]
    return ibis.literal("-").join(parts)


def _due_minute(zoned: ir.Table) -> ir.IntegerValue:
    """Return the published arrival; the file has only its local clock, so the day follows from the order."""
    zone = ibis.coalesce(zoned.tzone, ZONE_OF_UNLISTED)
    midnight = ibis.date(zoned.year, zoned.month, zoned.day).epoch_seconds().cast("int64") // 60
    local = midnight + zoned.sched_arr_time // 100 * 60 + zoned.sched_arr_time % 100
    same_day = epoch_minute(at_zone(zone, clock(local)))
    next_day = epoch_minute(at_zone(zone, clock(local + MINUTES_PER_DAY)))
    return ibis.ifelse(same_day < zoned.scheduled + SHORTEST_LEG, next_day, same_day)


# What is computed of the raw tables, once, before the feature tables.
INTERMEDIATE: dict[str, Builder] = {"legs": lambda s: select_legs(s["flights"], s["airports"])}
