"""Facts that do not change within the data: aircraft registrations, airlines, airports."""

from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

from features.compute.clocks import UTC as UTC_TYPE
from features.flight_delay.legs import ZONE_OF_UNLISTED

# Registers were published before the first flight of the data.
KNOWN_SINCE = datetime(2012, 1, 1, tzinfo=UTC)


def build_aircraft_facts(planes: ir.Table) -> ir.Table:
    """Return one row per registered aircraft: year built, seats, maker."""
    return planes.select(
        "tailnum",
        event_timestamp=_known_since(),
        aircraft_built=planes.year,
        aircraft_seats=planes.seats,
        aircraft_maker=planes.manufacturer,
    )


def build_carrier_facts(airlines: ir.Table) -> ir.Table:
    """Return one row per airline: its code as a feature, since an entity key is not one."""
    return airlines.select("carrier", event_timestamp=_known_since(), carrier_code=airlines.carrier)


def build_origin_facts(legs: ir.Table, airports: ir.Table) -> ir.Table:
    """Return one row per airport of departure: its code and its IANA time zone."""
    facts = _airport_facts(legs.select(faa=legs.origin), airports)
    return facts.select(
        origin=facts.faa, event_timestamp=_known_since(), origin_code=facts.faa, origin_zone=facts.zone
    )


def build_destination_facts(legs: ir.Table, airports: ir.Table) -> ir.Table:
    """Return one row per airport of arrival: its code and its IANA time zone."""
    facts = _airport_facts(legs.select(faa=legs.dest), airports)
    return facts.select(
        dest=facts.faa, event_timestamp=_known_since(), dest_code=facts.faa, dest_zone=facts.zone
    )


def _airport_facts(codes: ir.Table, airports: ir.Table) -> ir.Table:
    listed = airports.select("faa", "tzone")
    facts = codes.distinct().left_join(listed, "faa")
    return facts.select("faa", zone=ibis.coalesce(facts.tzone, ZONE_OF_UNLISTED))


def _known_since() -> ir.TimestampValue:
    return ibis.literal(KNOWN_SINCE).cast(UTC_TYPE)
