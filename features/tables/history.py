"""Slow histories, refreshed once a day before the first departures: routes, airlines to a destination."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from features.day_parts import DAY_PARTS
from features.legs import MINUTES_PER_DAY, instant
from features.running import per, round_up, running_totals, steps
from features.tables.operations import LATE

# 09:00 UTC is 4 or 5 o'clock in the morning at the origins, when nothing moves.
REFRESH_MINUTE = 540
ROUTE_KEYS = ("origin", "dest")
ROUTE_DAYS = {"7d": 7, "28d": 28}
CARRIER_KEYS = ("carrier", "dest")
CARRIER_DAYS = 28


def build_route_history(legs: ir.Table) -> ir.Table:
    """Return one row per route and day of change, over the arrivals of the last 7 and 28 days.

    `route_lost_7d` is the mean number of minutes lost between departure and arrival (negative: gained).
    """
    landed = legs.filter(legs.arrived.notnull())
    changes = [
        _daily(landed, ROUTE_KEYS, days, _route_totals(landed, name)) for name, days in ROUTE_DAYS.items()
    ]
    totals = running_totals(changes, ROUTE_KEYS)
    return totals.select(
        *ROUTE_KEYS,
        event_timestamp=instant(totals.minute + REFRESH_MINUTE),
        route_arrivals_28d=totals.arrivals_28d,
        route_late_share_7d=per(totals.late_7d, totals.arrivals_7d),
        route_late_share_28d=per(totals.late_28d, totals.arrivals_28d),
        route_lost_7d=per(totals.lost_7d, totals.arrivals_7d),
    )


def build_carrier_destination_history(legs: ir.Table) -> ir.Table:
    """Return one row per airline, destination and day of change: arrivals and late ones by part of the day.

    Counts of the last 28 days; the part of the day is that of the published local departure.
    """
    landed = legs.filter(legs.arrived.notnull())
    late = (landed.arr_delay >= LATE).cast("int64")
    counts: dict[str, ir.IntegerValue] = {}
    for part, (first, after) in DAY_PARTS.items():
        inside = ((landed.local_hour >= first) & (landed.local_hour < after)).cast("int64")
        counts |= {f"pair_arrivals_{part}": inside, f"pair_late_{part}": inside * late}
    totals = running_totals([_daily(landed, CARRIER_KEYS, CARRIER_DAYS, counts)], CARRIER_KEYS)
    return totals.select(*CARRIER_KEYS, *counts, event_timestamp=instant(totals.minute + REFRESH_MINUTE))


def _route_totals(landed: ir.Table, name: str) -> dict[str, ir.IntegerValue]:
    return {
        f"arrivals_{name}": ibis.literal(1, "int64"),
        f"late_{name}": (landed.arr_delay >= LATE).cast("int64"),
        f"lost_{name}": landed.arr_delay - landed.dep_delay,
    }


def _daily(
    landed: ir.Table, keys: Sequence[str], days: int, totals: Mapping[str, ir.IntegerValue]
) -> ir.Table:
    known = landed.arrived - REFRESH_MINUTE
    leave = round_up(known, MINUTES_PER_DAY) + days * MINUTES_PER_DAY
    return steps(landed, keys, known, leave, dict(totals), MINUTES_PER_DAY)
