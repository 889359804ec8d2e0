"""The origin's recent operations on a fixed grid: departures, delays, backlog, and the published schedule."""

from typing import TYPE_CHECKING

from features.flight_delay.tables.operations import (
    ARRIVAL_DELAY,
    BACKLOG,
    DEPARTURE_DELAY,
    LATE_DEPARTURE,
    RECENTLY_SCHEDULED,
    arrivals,
    backlog_share,
    departures,
    scheduled,
)
from features.windows.windowed_table import Aggregation, Feature, Reach, WindowedTable

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Published departures around the one that is asked about two hours ahead, and those due before it.
AROUND, UNTIL = (90, 150), (0, 120)

ORIGIN_OPERATIONS = WindowedTable(
    name="origin_operations",
    keys=("origin",),
    grid=5,
    reach=Reach("scheduled", UNTIL[1]),
    levels=(
        BACKLOG,
        RECENTLY_SCHEDULED,
        scheduled("scheduled_until", *UNTIL),
        scheduled("scheduled_around", *AROUND),
    ),
    level_features=(
        Feature("backlog", "backlog"),
        Feature("scheduled_until", "scheduled_until"),
        Feature("scheduled_around", "scheduled_around"),
        Feature("region_backlog", "backlog", over_all_keys=True),
        Feature("backlog_wait", "backlog_since", per="backlog", age=True),
        backlog_share("backlog_share"),
    ),
    streams=(
        departures(
            {"1h": 60, "2h": 120, "4h": 240},
            Aggregation("departures_{window}", "count", over=("2h",)),
            Aggregation(
                "region_departure_delay_{window}", "mean", DEPARTURE_DELAY, over=("2h",), over_all_keys=True
            ),
            Aggregation("departure_delay_{window}", "mean", DEPARTURE_DELAY),
            Aggregation("late_departure_share_{window}", "share", LATE_DEPARTURE, over=("2h",)),
        ),
        arrivals({"3h": 180}, Aggregation("arrival_delay_{window}", "mean", ARRIVAL_DELAY)),
    ),
)


def build_origin_operations(legs: "ir.Table") -> "ir.Table":
    """Return one row per origin and grid instant; counts are explicit zeros when nothing happened.

    Means are null over an empty window. `arrival_delay_*` is about flights out of this origin, wherever they
    landed. The backlog holds a flight for at most `BACKLOG_PATIENCE` minutes; `region_*` is over all origins.
    """
    from features.windows.batch import build_windowed  # Ibis: serving reads the declaration only

    return build_windowed(legs, ORIGIN_OPERATIONS)
