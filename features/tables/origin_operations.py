"""The origin's recent operations on a fixed grid: departures, delays, backlog, and the published schedule."""

import ibis.expr.types as ir

from features.legs import instant
from features.running import per, running_totals
from features.tables.operations import (
    BACKLOG_PATIENCE,
    arrival_changes,
    backlog_changes,
    delay_means,
    departure_changes,
    grid_of,
    schedule_changes,
)

KEYS = ("origin",)
GRID = 5
DEPARTURE_WINDOWS = {"1h": 60, "2h": 120, "4h": 240}
ARRIVAL_WINDOWS = {"3h": 180}
MEANS = (
    *("departure_delay_1h", "departure_delay_2h", "departure_delay_4h"),
    *("late_departure_share_2h", "arrival_delay_3h"),
)
# Published departures around the one that is asked about two hours ahead, and those due before it.
AROUND, UNTIL = (90, 150), (0, 120)


def build_origin_operations(legs: ir.Table) -> ir.Table:
    """Return one row per origin and grid instant; counts are explicit zeros when nothing happened.

    Means are null over an empty window. `arrival_delay_*` is about flights out of this origin, wherever they
    landed. The backlog holds a flight for at most `BACKLOG_PATIENCE` minutes.
    """
    spine = grid_of(legs, KEYS, GRID, before=UNTIL[1])
    totals = running_totals(
        [
            *departure_changes(legs, KEYS, DEPARTURE_WINDOWS, GRID),
            *arrival_changes(legs, KEYS, ARRIVAL_WINDOWS, GRID),
            backlog_changes(legs, KEYS, GRID),
            schedule_changes(legs, KEYS, "scheduled_patience", -BACKLOG_PATIENCE, 0, GRID),
            schedule_changes(legs, KEYS, "scheduled_until", *UNTIL, GRID),
            schedule_changes(legs, KEYS, "scheduled_around", *AROUND, GRID),
            spine,
        ],
        KEYS,
    )
    return _describe(_add_region(totals.semi_join(spine, [*KEYS, "minute"])))


def _add_region(totals: ir.Table) -> ir.Table:
    names = ("backlog", "departures_2h", "departure_delay_2h")
    region = totals.group_by("minute").agg(**{f"region_{name}": totals[name].sum() for name in names})
    return totals.join(region, "minute")


def _describe(totals: ir.Table) -> ir.Table:
    means = {
        **delay_means(totals, "departure", DEPARTURE_WINDOWS),
        **delay_means(totals, "arrival", ARRIVAL_WINDOWS),
    }
    return totals.select(
        *KEYS,
        "backlog",
        "scheduled_until",
        "scheduled_around",
        "region_backlog",
        "departures_2h",
        event_timestamp=instant(totals.minute),
        backlog_wait=totals.minute - per(totals.backlog_since, totals.backlog),
        backlog_share=per(totals.backlog, totals.scheduled_patience),
        region_departure_delay_2h=per(totals.region_departure_delay_2h, totals.region_departures_2h),
        **{name: means[name] for name in MEANS},
    )
