"""What is happening at the destination, seen from here: flights towards it held, left, or landed late."""

from typing import TYPE_CHECKING

from features.flight_delay.tables.operations import (
    ARRIVAL_DELAY,
    BACKLOG,
    DEPARTURE_DELAY,
    LATE_ARRIVAL,
    arrivals,
    departures,
)
from features.windows.windowed_table import Aggregation, Feature, WindowedTable

if TYPE_CHECKING:
    import ibis.expr.types as ir

DESTINATION_OPERATIONS = WindowedTable(
    name="destination_operations",
    keys=("dest",),
    grid=10,
    levels=(BACKLOG,),
    level_features=(Feature("dest_backlog", "backlog"),),
    streams=(
        departures({"3h": 180}, Aggregation("dest_departure_delay_{window}", "mean", DEPARTURE_DELAY)),
        arrivals(
            {"4h": 240, "24h": 1440},
            Aggregation("dest_arrival_delay_{window}", "mean", ARRIVAL_DELAY),
            Aggregation("dest_late_arrival_share_{window}", "share", LATE_ARRIVAL, over=("24h",)),
        ),
    ),
)


def build_destination_operations(legs: "ir.Table") -> "ir.Table":
    """Return one row per destination and grid instant at which something changed, over all origins.

    `dest_departure_delay_*` is about flights that left for it, `dest_arrival_delay_*` about those landed.
    A row holds until the next one; a window that runs empty has a row of zeros. Means are null when empty.
    """
    from features.windows.batch import build_windowed  # Ibis: serving reads the declaration only

    return build_windowed(legs, DESTINATION_OPERATIONS)
