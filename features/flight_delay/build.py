"""What this repository's tables are made of: raw files to legs, legs to tables."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from features.compute.engine import Builder
from features.contract import EXAMPLES, OUTCOMES
from features.errors import RawDataError
from features.flight_delay.expectations import EXPECTATIONS
from features.flight_delay.legs import INTERMEDIATE
from features.flight_delay.raw import RAW_FILES, RawTables, find_raw_dir, read_raw
from features.flight_delay.tables.aircraft import build_aircraft_legs
from features.flight_delay.tables.carrier_operations import build_carrier_operations
from features.flight_delay.tables.destination_operations import build_destination_operations
from features.flight_delay.tables.examples import build_examples, build_outcomes
from features.flight_delay.tables.facts import (
    build_aircraft_facts,
    build_carrier_facts,
    build_destination_facts,
    build_origin_facts,
)
from features.flight_delay.tables.flight_history import build_flight_history
from features.flight_delay.tables.history import build_carrier_destination_history, build_route_history
from features.flight_delay.tables.origin_operations import build_origin_operations
from features.flight_delay.tables.weather import build_weather
from features.repository.build import RawData, TableBuild

TABLES: dict[str, Builder] = {
    EXAMPLES: lambda s: build_examples(s["legs"]),
    OUTCOMES: lambda s: build_outcomes(s["legs"]),
    "weather.parquet": lambda s: build_weather(s["weather"]),
    "origin_operations.parquet": lambda s: build_origin_operations(s["legs"]),
    "carrier_operations.parquet": lambda s: build_carrier_operations(s["legs"]),
    "destination_operations.parquet": lambda s: build_destination_operations(s["legs"]),
    "flight_history.parquet": lambda s: build_flight_history(s["legs"]),
    "route_history.parquet": lambda s: build_route_history(s["legs"]),
    "carrier_destination_history.parquet": lambda s: build_carrier_destination_history(s["legs"]),
    "aircraft_legs.parquet": lambda s: build_aircraft_legs(s["legs"]),
    "aircraft_facts.parquet": lambda s: build_aircraft_facts(s["planes"]),
    "carrier_facts.parquet": lambda s: build_carrier_facts(s["airlines"]),
    "origin_facts.parquet": lambda s: build_origin_facts(s["legs"], s["airports"]),
    "destination_facts.parquet": lambda s: build_destination_facts(s["legs"], s["airports"]),
}


def read_period(raw_dir: Path, start: datetime | None, end: datetime | None) -> RawData:
    """Read the raw files; with `start` or `end` (UTC, by the hour of published departure) only that part.

    Raises:
        RawDataError: a raw file is missing or damaged, or the period holds no flight.
    """
    return raw_data(read_raw(raw_dir).between(start, end))


def raw_data(raw: RawTables) -> RawData:
    """Return the raw tables with the times that they speak of.

    Raises:
        RawDataError: there is no flight in them.
    """
    if raw.flights.num_rows == 0:
        raise RawDataError("the period holds no flight: choose --start and --end within the raw data")
    return RawData(vars(raw), _known_until(raw), _latest(raw))


def _known_until(raw: RawTables) -> datetime:
    """The last hour from which a departure is known: schedules are known ahead, and show no feed at work."""
    departed = raw.flights.filter(pc.is_valid(raw.flights["dep_delay"]))
    hours = departed["time_hour"] if departed.num_rows else raw.flights["time_hour"]
    newest: datetime = pc.max(hours).as_py()
    return newest


def _latest(raw: RawTables) -> datetime:
    """The end of the last hour that the raw data speaks of."""
    hours = [pc.max(table["time_hour"]).as_py() for table in (raw.flights, raw.weather) if table.num_rows]
    newest: datetime = max(hours)
    return newest + timedelta(hours=1)


BUILD = TableBuild(
    find_folder=find_raw_dir,
    files=RAW_FILES,
    read=read_period,
    intermediate=INTERMEDIATE,
    tables=TABLES,
    expectations=EXPECTATIONS,
)
