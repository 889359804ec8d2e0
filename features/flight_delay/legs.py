"""Legs: the raw flights cleaned once, every clock in whole minutes since 1970 UTC."""

from datetime import datetime

import ibis
import ibis.expr.types as ir

UTC = "timestamp('UTC')"
CLOCK = "timestamp"
ZONE_FUNCTION = "timezone"

# Four Puerto Rican and Virgin Islands airports are not in airports.csv; all four keep Puerto Rico's clock.
ZONE_OF_UNLISTED = "America/Puerto_Rico"

# No scheduled flight lands within half an hour of leaving: an earlier local arrival is on the next day.
SHORTEST_LEG = 30

MINUTES_PER_DAY = 1440

# The raw tables that legs are made from, for whoever follows a table back to its files.
MADE_FROM = ("flights", "airports")


@ibis.udf.scalar.builtin(name=ZONE_FUNCTION)
def _at_zone(zone: str, local: datetime) -> datetime:  # type: ignore[empty-body]
    """Read a local clock in its zone: DuckDB has this function, `features.cluster` gives it to Spark."""


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


def instant(minute: ir.IntegerValue) -> ir.TimestampValue:
    """Turn epoch minutes into a UTC timestamp."""
    return (minute * 60).as_timestamp("s").cast(UTC)


def _example_id(flights: ir.Table) -> ir.StringValue:
    date = flights.year * 10_000 + flights.month * 100 + flights.day
    parts = [date.cast("string"), flights.origin, flights.carrier, flights.flight.cast("string")]
    return ibis.literal("-").join(parts)


def _due_minute(zoned: ir.Table) -> ir.IntegerValue:
    """Return the published arrival; the file has only its local clock, so the day follows from the order."""
    zone = ibis.coalesce(zoned.tzone, ZONE_OF_UNLISTED)
    midnight = ibis.date(zoned.year, zoned.month, zoned.day).epoch_seconds().cast("int64") // 60
    local = midnight + zoned.sched_arr_time // 100 * 60 + zoned.sched_arr_time % 100
    same_day = _epoch_minute(_at_zone(zone, _clock(local)))
    next_day = _epoch_minute(_at_zone(zone, _clock(local + MINUTES_PER_DAY)))
    return ibis.ifelse(same_day < zoned.scheduled + SHORTEST_LEG, next_day, same_day)


def _clock(minute: ir.IntegerValue) -> ir.TimestampValue:
    """Turn minutes of a local clock into a timestamp without zone."""
    return instant(minute).cast(CLOCK)


def _epoch_minute(at: ir.Value) -> ir.IntegerValue:
    return at.cast(UTC).epoch_seconds().cast("int64") // 60
