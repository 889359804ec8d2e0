"""Streams over real flights: what they would have sent, the tables that the batch build makes of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.apply import apply_repository
from features.flight_delay.events.leg_events import LegEvent
from features.flight_delay.events.leg_processor import LegProcessor
from features.flight_delay.tables.aircraft import build_aircraft_legs
from features.flight_delay.tables.carrier_operations import build_carrier_operations
from features.flight_delay.tables.destination_operations import build_destination_operations
from features.flight_delay.tables.origin_operations import build_origin_operations
from features.settings import FeatureSettings

REPOSITORY = Path(__file__).with_name("streamed_repository")
SERVICE = "streamed_v1"
TABLES = {
    "origin_operations": build_origin_operations,
    "carrier_operations": build_carrier_operations,
    "destination_operations": build_destination_operations,
    "aircraft_legs": build_aircraft_legs,
}
KEYS = {
    "origin_operations": ["origin"],
    "carrier_operations": ["origin", "carrier"],
    "destination_operations": ["dest"],
    "aircraft_legs": ["tailnum"],
}
AT = "event_timestamp"
# After the last thing that happened all windows run empty within this.
RUNS_EMPTY = timedelta(days=2)


class BatchTables:
    """The batch build of the streamed tables, compiled once, for any legs."""

    def __init__(self, schema: pa.Schema) -> None:
        legs = ibis.table(ibis.Schema.from_pyarrow(schema), name="legs")
        self._sql = {name: ibis.to_sql(build(legs), dialect="duckdb") for name, build in TABLES.items()}

    def build(self, legs: pa.Table) -> dict[str, pa.Table]:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
            connection.register("legs", legs)
            return {name: connection.sql(sql).to_arrow_table() for name, sql in self._sql.items()}


def with_delays(legs: pa.Table) -> pa.Table:
    """Add what the builders read and events do not say."""
    frame = legs.to_pandas(types_mapper=pd.ArrowDtype)
    frame["dep_delay"] = frame["departed"] - frame["scheduled"]
    frame["arr_delay"] = frame["arrived"] - frame["due"]
    return pa.Table.from_pandas(frame, preserve_index=False)


def make_settings(var: Path, tables: Mapping[str, pa.Table]) -> FeatureSettings:
    """An applied repository over the given tables."""
    settings = FeatureSettings(var=var, feature_repo=REPOSITORY)
    settings.tables.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(table, settings.tables / f"{name}.parquet")
    apply_repository(settings)
    return settings


def emptied(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Tables of the same columns without a row."""
    return {name: table.schema.empty_table() for name, table in tables.items()}


def final_rows(frames: Iterable[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The rows that hold after all was said: of one key and instant the last."""
    collected: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for by_view in frames:
        for name, frame in by_view.items():
            collected[name].append(frame)
    return {name: newest(name, pd.concat(rows)) for name, rows in collected.items()}


def newest(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    keys = [*KEYS[name], AT]
    return rows.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)


def in_order(name: str, table: pa.Table, like: pd.DataFrame) -> pd.DataFrame:
    """A table that the batch build made, as `final_rows` has it."""
    return table.to_pandas()[list(like)].sort_values([*KEYS[name], AT], ignore_index=True)


def run_through(
    events: Sequence[LegEvent], instants: Sequence[datetime], arriving: Sequence[datetime] | None = None
) -> list[dict[str, pd.DataFrame]]:
    """Take the events in as they arrive (when sent, unless told), advancing at each instant."""
    moments = [event.sent_at for event in events] if arriving is None else arriving
    engine, place, frames = LegProcessor(), 0, []
    for instant in instants:
        first = place
        while place < len(events) and moments[place] <= instant:
            place += 1
        engine.apply(events[first:place])
        frames.append(engine.advance(instant))
    assert place == len(events)
    return frames


def every(step: timedelta, start: datetime, end: datetime) -> list[datetime]:
    return [start + number * step for number in range(1, (end - start) // step + 2)]
