"""What is happening at the destination, seen from here: flights towards it held, left, or landed late."""

import ibis.expr.types as ir

from features.legs import instant
from features.running import running_totals
from features.tables.operations import (
    BACKLOG_PATIENCE,
    arrival_changes,
    backlog_changes,
    delay_means,
    departure_changes,
    schedule_changes,
)

KEYS = ("dest",)
GRID = 10
DEPARTURE_WINDOWS = {"3h": 180}
ARRIVAL_WINDOWS = {"4h": 240, "24h": 1440}
MEANS = ("departure_delay_3h", "arrival_delay_4h", "arrival_delay_24h", "late_arrival_share_24h")


def build_destination_operations(legs: ir.Table) -> ir.Table:
    """Return one row per destination and grid instant at which something changed, over all origins.

    `dest_departure_delay_*` is about flights that left for it, `dest_arrival_delay_*` about those landed.
    A row holds until the next one; a window that runs empty has a row of zeros. Means are null when empty.
    """
    totals = running_totals(
        [
            *departure_changes(legs, KEYS, DEPARTURE_WINDOWS, GRID),
            *arrival_changes(legs, KEYS, ARRIVAL_WINDOWS, GRID),
            backlog_changes(legs, KEYS, GRID),
            schedule_changes(legs, KEYS, "scheduled_patience", -BACKLOG_PATIENCE, 0, GRID),
        ],
        KEYS,
    )
    means = {
        **delay_means(totals, "departure", DEPARTURE_WINDOWS),
        **delay_means(totals, "arrival", ARRIVAL_WINDOWS),
    }
    return totals.select(
        *KEYS,
        event_timestamp=instant(totals.minute),
        dest_backlog=totals.backlog,
        **{f"dest_{name}": means[name] for name in MEANS},
    )
