"""Slow histories, refreshed once a day before the first departures: routes, airlines to a destination."""

from typing import TYPE_CHECKING, Final

from features.flight_delay.day_parts import DAY_PARTS
from features.flight_delay.tables.operations import LATE, LATE_ARRIVAL
from features.windows.windowed_table import Aggregation, Between, Stream, Value, WindowedTable, at

if TYPE_CHECKING:
    import ibis.expr.types as ir

MINUTES_PER_DAY: Final = 1440
# 09:00 UTC is 4 or 5 o'clock in the morning at the origins, when nothing moves.
REFRESH_MINUTE: Final = 540
CARRIER_DAYS: Final = 28
# What has landed by a day's refresh is in that day's row.
LANDED = at("arrived", -REFRESH_MINUTE)


def _parts(name: str, *conditions: Between) -> tuple[Aggregation, ...]:
    """Return a count per part of the day of published local departure, of rows that meet `conditions`."""
    return tuple(
        Aggregation(
            f"{name}_{part}",
            "sum",
            Value(f"{name}_{part}", where=(Between("local_hour", first, after), *conditions)),
        )
        for part, (first, after) in DAY_PARTS.items()
    )


ROUTE_HISTORY = WindowedTable(
    name="route_history",
    keys=("origin", "dest"),
    grid=MINUTES_PER_DAY,
    offset=REFRESH_MINUTE,
    streams=(
        Stream(
            "landed",
            LANDED,
            {"7d": 7 * MINUTES_PER_DAY, "28d": 28 * MINUTES_PER_DAY},
            (
                Aggregation("route_arrivals_{window}", "count", over=("28d",)),
                Aggregation("route_late_share_{window}", "share", LATE_ARRIVAL),
                Aggregation(
                    "route_lost_{window}", "mean", Value("lost", "arr_delay", minus="dep_delay"), over=("7d",)
                ),
            ),
        ),
    ),
)

CARRIER_DESTINATION_HISTORY = WindowedTable(
    name="carrier_destination_history",
    keys=("carrier", "dest"),
    grid=MINUTES_PER_DAY,
    offset=REFRESH_MINUTE,
    streams=(
        Stream(
            "landed",
            LANDED,
            {f"{CARRIER_DAYS}d": CARRIER_DAYS * MINUTES_PER_DAY},
            (*_parts("pair_arrivals"), *_parts("pair_late", Between("arr_delay", low=LATE))),
        ),
    ),
)


def build_route_history(legs: "ir.Table") -> "ir.Table":
    """Return one row per route and day of change, over the arrivals of the last 7 and 28 days.

    `route_lost_7d` is the mean number of minutes lost between departure and arrival (negative: gained).
    """
    from features.windows.batch import build_windowed  # Ibis: applying reads the declaration only

    return build_windowed(legs, ROUTE_HISTORY)


def build_carrier_destination_history(legs: "ir.Table") -> "ir.Table":
    """Return one row per airline, destination and day of change: arrivals and late ones by part of the day.

    Counts of the last 28 days; the part of the day is that of the published local departure.
    """
    from features.windows.batch import build_windowed  # Ibis: applying reads the declaration only

    return build_windowed(legs, CARRIER_DESTINATION_HISTORY)
