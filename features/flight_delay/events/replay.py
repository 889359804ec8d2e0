"""The events that the raw data would have sent: a leg is published a day ahead, departs, and arrives."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa

from features.compute.duckdb_engine import open_duckdb
from features.flight_delay.events.leg_events import Arrived, Departed, LegEvent, Published
from features.flight_delay.legs import INTERMEDIATE
from features.flight_delay.raw import RawTables, find_raw_dir, read_raw

PUBLISHED_AHEAD: Final = timedelta(days=1)
COLUMNS: Final = (
    *("example_id", "origin", "carrier", "dest", "tailnum"),
    *("scheduled", "due", "departed", "arrived"),
)


def replay_period(raw_dir: Path | None, start: datetime, end: datetime) -> list[LegEvent]:
    """Return the events of the raw flights of a period (UTC, by the hour of published departure)."""
    raw = read_raw(find_raw_dir(raw_dir)).between(start, end)
    with TemporaryDirectory() as scratch:
        return replay_events(read_legs(raw, Path(scratch)))


def read_legs(raw: RawTables, scratch: Path) -> pa.Table:
    """Return the legs' identity and instants (epoch minutes), in the order of their schedule."""
    with open_duckdb(vars(raw), INTERMEDIATE, scratch) as (sources, _):
        legs = sources["legs"]
        return legs.select(*COLUMNS).order_by("scheduled", "example_id").to_pyarrow()


def replay_events(legs: pa.Table) -> list[LegEvent]:
    """Return every event of the legs in the order sent: what happens is sent in its minute."""
    events = [event for leg in legs.to_pylist() for event in _events(leg)]
    return sorted(events, key=lambda event: (event.sent_at, event.event_id))


def _events(leg: dict[str, Any]) -> Iterator[LegEvent]:
    name, scheduled = leg["example_id"], _instant(leg["scheduled"])
    yield Published(
        event_id=f"{name}-published",
        type="published",
        sent_at=scheduled - PUBLISHED_AHEAD,
        leg=name,
        scheduled_departure=scheduled,
        scheduled_arrival=_instant(leg["due"]),
        **{key: leg[key] for key in ("origin", "carrier", "dest", "tailnum")},
    )
    if leg["departed"] is not None:
        departed = _instant(leg["departed"])
        yield Departed(
            event_id=f"{name}-departed", type="departed", sent_at=departed, leg=name, departed_at=departed
        )
    if leg["arrived"] is not None:
        arrived = _instant(leg["arrived"])
        yield Arrived(
            event_id=f"{name}-arrived", type="arrived", sent_at=arrived, leg=name, arrived_at=arrived
        )


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
