"""The repository's tables built from raw tables in memory, some of its builders exchanged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from features.compute.duckdb_engine import open_duckdb
from features.compute.engine import Builder, Engine
from features.flight_delay.build import BUILD, TABLES, raw_data
from features.flight_delay.raw import RawTables
from features.repository import build


def build_tables(
    raw: RawTables, tables: Path, builders: Mapping[str, Builder] = TABLES, engine: Engine = open_duckdb
) -> list[Path]:
    return build.build_tables(replace(BUILD, tables=builders), raw_data(raw), tables, engine)
