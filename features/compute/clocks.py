"""Instants and local clocks in table expressions: whole minutes since 1970 UTC, and what they come from."""

from datetime import datetime
from typing import Final

import ibis
import ibis.expr.types as ir

UTC: Final = "timestamp('UTC')"
CLOCK: Final = "timestamp"
ZONE_FUNCTION: Final = "timezone"


@ibis.udf.scalar.builtin(name=ZONE_FUNCTION)
def at_zone(zone: str, local: datetime) -> datetime:  # type: ignore[empty-body]
    """Read a local clock in its zone: DuckDB has this function, the Spark engine declares it."""


def instant(minute: ir.IntegerValue) -> ir.TimestampValue:
    """Turn epoch minutes into a UTC timestamp."""
    return (minute * 60).as_timestamp("s").cast(UTC)


def clock(minute: ir.IntegerValue) -> ir.TimestampValue:
    """Turn minutes of a local clock into a timestamp without zone."""
    return instant(minute).cast(CLOCK)


def epoch_minute(moment: ir.Value) -> ir.IntegerValue:
    """Turn a timestamp into epoch minutes."""
    return moment.cast(UTC).epoch_seconds().cast("int64") // 60
