"""What operations tables are made of: departures, arrivals, backlog and schedule as changes over time."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from features.running import per, round_up, steps

LATE = 15
# One flight that is ten hours late says no more about the next than one that is three hours late.
EARLIEST, LATEST = -30, 180
# A flight that has not left this long after its time is taken as cancelled: nothing records the moment.
BACKLOG_PATIENCE = 360

Windows = Mapping[str, int]


def departure_changes(legs: ir.Table, keys: Sequence[str], windows: Windows, grid: int) -> list[ir.Table]:
    """Return the changes that departures make, for each window (name: minutes) before the instant.

    Totals: `departures_*`, `departure_delay_*` (clipped minutes), `late_departures_*`.
    """
    return [
        _moves(legs, keys, grid, "departure", "departed", "dep_delay", *window) for window in windows.items()
    ]


def arrival_changes(legs: ir.Table, keys: Sequence[str], windows: Windows, grid: int) -> list[ir.Table]:
    """Return the changes that arrivals make. Totals: `arrivals_*`, `arrival_delay_*`, `late_arrivals_*`."""
    return [
        _moves(legs, keys, grid, "arrival", "arrived", "arr_delay", *window) for window in windows.items()
    ]


def _moves(
    legs: ir.Table, keys: Sequence[str], grid: int, kind: str, at: str, delay: str, name: str, minutes: int
) -> ir.Table:
    moved = legs.filter(legs[at].notnull())
    totals = {
        f"{kind}s_{name}": ibis.literal(1, "int64"),
        f"{kind}_delay_{name}": moved[delay].clip(EARLIEST, LATEST),
        f"late_{kind}s_{name}": (moved[delay] >= LATE).cast("int64"),
    }
    return steps(moved, keys, moved[at], round_up(moved[at], grid) + minutes, totals, grid)


def backlog_changes(legs: ir.Table, keys: Sequence[str], grid: int) -> ir.Table:
    """Return the changes of the backlog: scheduled up to the instant, not gone by then.

    Totals: `backlog` (flights) and `backlog_since` (sum of their scheduled minutes).
    """
    gives_up = legs.scheduled + BACKLOG_PATIENCE
    leave = ibis.least(ibis.coalesce(legs.departed, gives_up), gives_up)
    totals = {"backlog": ibis.literal(1, "int64"), "backlog_since": legs.scheduled}
    return steps(legs, keys, legs.scheduled, leave, totals, grid)


def schedule_changes(
    legs: ir.Table, keys: Sequence[str], name: str, first: int, last: int, grid: int
) -> ir.Table:
    """Return the changes of the number of flights scheduled `first` to `last` minutes after the instant."""
    totals = {name: ibis.literal(1, "int64")}
    return steps(legs, keys, legs.scheduled - last, legs.scheduled - first, totals, grid)


def grid_of(legs: ir.Table, keys: Sequence[str], grid: int, before: int) -> ir.Table:
    """Return every grid minute for every key, from `before` minutes ahead of the first flight on."""
    reach = legs.agg(first=round_up(legs.scheduled.min() - before, grid), last=legs.scheduled.max())
    minutes = reach.select(minute=ibis.range(reach.first, reach.last, grid).unnest())
    return legs.select(*keys).distinct().cross_join(minutes)


def delay_means(totals: ir.Table, kind: str, windows: Windows) -> dict[str, ir.Value]:
    """Return mean delay and share late for each window of `kind` ("departure" or "arrival")."""
    means: dict[str, ir.Value] = {}
    for name in windows:
        count = totals[f"{kind}s_{name}"]
        means[f"{kind}_delay_{name}"] = per(totals[f"{kind}_delay_{name}"], count)
        means[f"late_{kind}_share_{name}"] = per(totals[f"late_{kind}s_{name}"], count)
    return means
