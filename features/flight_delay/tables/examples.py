"""The contract tables: what is asked (examples) and what came of it (outcomes)."""

import ibis
import ibis.expr.types as ir

from features.compute.clocks import instant

# The question is asked this long before the published departure.
HORIZON_MINUTES = 120

KEYS = ("origin", "carrier", "dest", "flight", "tailnum")


def build_examples(legs: ir.Table) -> ir.Table:
    """Return one row per flight: `example_id`, keys, request fields, `event_timestamp` (when it is asked)."""
    return legs.select(
        "example_id",
        *KEYS,
        "distance",
        scheduled_departure=instant(legs.scheduled),
        scheduled_arrival=instant(legs.due),
        event_timestamp=instant(legs.scheduled - HORIZON_MINUTES),
    ).order_by("event_timestamp", "example_id")


def build_outcomes(legs: ir.Table) -> ir.Table:
    """Return one row per flight: `arr_delay` (minutes) and `known_at`, both null when never recorded."""
    return legs.select(
        "example_id",
        arr_delay=legs.arr_delay.cast("float64"),
        known_at=ibis.ifelse(legs.arrived.isnull(), None, instant(legs.arrived)),
    ).order_by("known_at", "example_id")
