"""Ten real days in February, read and built once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.flight_delay.raw import RawTables, find_raw_dir, read_raw
from tests.built_once import build_once
from tests.flight_delay.features.built_tables import build_tables

# Ten days with a snowstorm (8 and 9 February 2013), cancellations, and quiet nights.
START = datetime(2013, 2, 1, 5, tzinfo=UTC)
END = datetime(2013, 2, 11, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def raw_year() -> RawTables:
    return read_raw(find_raw_dir())


@pytest.fixture(scope="session")
def raw_days(raw_year: RawTables) -> RawTables:
    return raw_year.between(START, END)


@pytest.fixture(scope="session")
def days(raw_days: RawTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tables of those days; read-only for tests."""
    built = build_once(tmp_path_factory, "days", lambda folder: build_tables(raw_days, folder / "tables"))
    return built / "tables"
