"""The airline's recent operations at one origin: departures, delays, backlog."""

from typing import TYPE_CHECKING

from features.flight_delay.tables.operations import (
    BACKLOG,
    DEPARTURE_DELAY,
    LATE_DEPARTURE,
    RECENTLY_SCHEDULED,
    backlog_share,
    departures,
)
from features.windows.windowed_table import Aggregation, Feature, WindowedTable

if TYPE_CHECKING:
    import ibis.expr.types as ir

CARRIER_OPERATIONS = WindowedTable(
    name="carrier_operations",
    keys=("origin", "carrier"),
    grid=10,
    levels=(BACKLOG, RECENTLY_SCHEDULED),
    level_features=(Feature("carrier_backlog", "backlog"), backlog_share("carrier_backlog_share")),
    streams=(
        departures(
            {"1h": 60, "3h": 180},
            Aggregation("carrier_departure_delay_{window}", "mean", DEPARTURE_DELAY),
            Aggregation("carrier_late_departure_share_{window}", "share", LATE_DEPARTURE, over=("3h",)),
        ),
    ),
)


def build_carrier_operations(legs: "ir.Table") -> "ir.Table":
    """Return one row per origin, airline and grid instant at which something changed.

    A row holds until the next one; a window that runs empty has a row of zeros. Means are null when empty.
    """
    from features.windows.batch import build_windowed  # Ibis: serving reads the declaration only

    return build_windowed(legs, CARRIER_OPERATIONS)
