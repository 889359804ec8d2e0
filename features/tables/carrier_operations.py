"""The airline's recent operations at one origin: departures, delays, backlog."""

import ibis.expr.types as ir

from features.legs import instant
from features.running import per, running_totals
from features.tables.operations import (
    BACKLOG_PATIENCE,
    backlog_changes,
    delay_means,
    departure_changes,
    schedule_changes,
)

KEYS = ("origin", "carrier")
GRID = 10
WINDOWS = {"1h": 60, "3h": 180}
MEANS = ("departure_delay_1h", "departure_delay_3h", "late_departure_share_3h")


def build_carrier_operations(legs: ir.Table) -> ir.Table:
    """Return one row per origin, airline and grid instant at which something changed.

    A row holds until the next one; a window that runs empty has a row of zeros. Means are null when empty.
    """
    totals = running_totals(
        [
            *departure_changes(legs, KEYS, WINDOWS, GRID),
            backlog_changes(legs, KEYS, GRID),
            schedule_changes(legs, KEYS, "scheduled_patience", -BACKLOG_PATIENCE, 0, GRID),
        ],
        KEYS,
    )
    means = delay_means(totals, "departure", WINDOWS)
    return totals.select(
        *KEYS,
        event_timestamp=instant(totals.minute),
        carrier_backlog=totals.backlog,
        carrier_backlog_share=per(totals.backlog, totals.scheduled_patience),
        **{f"carrier_{name}": means[name] for name in MEANS},
    )
