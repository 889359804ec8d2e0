"""The history of one flight number to one destination: how its last arrivals went."""

import ibis
import ibis.expr.types as ir

from features.compute.clocks import instant
from features.flight_delay.tables.operations import EARLIEST, LATE, LATEST

KEYS = ("carrier", "flight", "dest")
LAST = 10


def build_flight_history(legs: ir.Table) -> ir.Table:
    """Return one row per flight number, destination and minute of arrival, over the last `LAST` arrivals.

    A young flight number has fewer than `LAST` behind it. Delays are minutes, clipped for means.
    """
    landed = legs.filter(legs.arrived.notnull())
    order = [landed.arrived, landed.example_id]
    last = ibis.window(group_by=list(KEYS), order_by=order, preceding=LAST - 1, following=0)
    rows = landed.mutate(
        flight_arrival_delay=landed.arr_delay.clip(EARLIEST, LATEST).mean().over(last),
        flight_late_share=(landed.arr_delay >= LATE).cast("float64").mean().over(last),
        flight_last_arrival_delay=landed.arr_delay.cast("float64"),
        flight_departure_delay=landed.dep_delay.clip(EARLIEST, LATEST).mean().over(last),
        later=ibis.row_number().over(group_by=[*KEYS, "arrived"], order_by=[landed.example_id.desc()]),
    )
    newest = rows.filter(rows.later == 0)
    names = [name for name in rows.columns if name.startswith("flight_")]
    return newest.select(*KEYS, *names, event_timestamp=instant(newest.arrived))
