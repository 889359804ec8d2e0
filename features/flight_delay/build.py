"""Raw files to feature tables: each is written beside its predecessor, swapped in when all are sound."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis.expr.types as ir
import pyarrow.compute as pc

from features.contract import EXAMPLES, OUTCOMES
from features.engine import Engine, Sources, open_duckdb, put_in_place
from features.errors import RawDataError
from features.expectations import EXPECTATIONS
from features.quality.built import CheckBuilt, open_built_check
from features.raw import RawTables, read_raw
from features.tables.aircraft import build_aircraft_legs
from features.tables.carrier_operations import build_carrier_operations
from features.tables.destination_operations import build_destination_operations
from features.tables.examples import build_examples, build_outcomes
from features.tables.facts import (
    build_aircraft_facts,
    build_carrier_facts,
    build_destination_facts,
    build_origin_facts,
)
from features.tables.flight_history import build_flight_history
from features.tables.history import build_carrier_destination_history, build_route_history
from features.tables.origin_operations import build_origin_operations
from features.tables.weather import build_weather

Builder = Callable[[Sources], ir.Table]
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


def build(
    raw_dir: Path,
    tables: Path,
    start: datetime | None = None,
    end: datetime | None = None,
    engine: Engine = open_duckdb,
) -> list[Path]:
    """Build every table from the raw files into the folder `tables`; return the files (or folders of files).

    With `start` or `end` (UTC, by the hour of published departure) only that part of the raw data is used.

    Raises:
        RawDataError: a raw file is missing or damaged, or the period holds no flight.
        TableQualityError: a built table breaks its schema.
        Either way the tables that were there before are untouched.
    """
    return build_tables(read_raw(raw_dir).between(start, end), tables, engine=engine)


def build_tables(
    raw: RawTables, tables: Path, builders: Mapping[str, Builder] = TABLES, engine: Engine = open_duckdb
) -> list[Path]:
    """Build every table from raw tables in memory; they replace their predecessors once all are sound.

    What each table shows is added to `quality.jsonl` beside the folder, and the rows that a table was refused
    for lie in `quarantine` there.

    Raises:
        RawDataError: there is no flight in `raw`.
        TableQualityError: a built table is not what it must be; nothing was replaced.
    """
    if raw.flights.num_rows == 0:
        raise RawDataError("the period holds no flight: choose --start and --end within the raw data")
    tables.mkdir(parents=True, exist_ok=True)
    known, latest = _known_until(raw), _latest(raw)
    with (
        TemporaryDirectory(dir=tables.parent, prefix=".building-") as folder,
        open_built_check(EXPECTATIONS, tables.parent, known, latest) as check,
    ):
        built = _build_into(Path(folder), raw, builders, engine, check)
        return [put_in_place(path, tables) for path in built]


def _build_into(
    folder: Path, raw: RawTables, builders: Mapping[str, Builder], engine: Engine, check: CheckBuilt
) -> list[Path]:
    with engine(raw, folder / "scratch") as (sources, write):
        for name, builder in builders.items():
            write(builder(sources), folder / name)
            check(folder / name)
    return [folder / name for name in builders]


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
