"""What tests of this room share: ten real days in February, and real servers for the online stores."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from features.compute.spark_session import open_spark
from features.flight_delay.raw import RawTables, find_raw_dir, read_raw
from features.settings import FeatureSettings
from tests.built_once import build_once
from tests.features.built_tables import build_tables

if TYPE_CHECKING:
    from tests.features.online_servers import Servers

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


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Spark session, started once: whatever opens one in this process is given this one."""
    with open_spark(FeatureSettings(var=tmp_path_factory.mktemp("spark"))) as session:
        yield
        gateway = session.sparkContext._gateway
        assert gateway is not None
    # PySpark's Java outlives the session, until its standard input ends.
    gateway.proc.stdin.close()
    gateway.proc.wait()


@pytest.fixture(scope="session")
def servers() -> "Iterator[Servers]":
    """A Redis and a PostgreSQL."""
    from tests.features.online_servers import running_servers  # imports what few tests need

    with running_servers() as servers:
        yield servers
