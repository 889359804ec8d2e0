"""Some days of the real raw files, so that a test can walk the whole path quickly."""

import zipfile
from pathlib import Path
from shutil import copyfile

import pandas as pd

from features.flight_delay.raw import find_raw_dir


def write_raw_days(folder: Path, first_day: str, end_day: str) -> Path:
    """Write the raw files to `folder` with the flights of `first_day` up to, not including, `end_day`."""
    raw = find_raw_dir()
    folder.mkdir(parents=True)
    for name in ("airlines.csv", "airports.csv", "planes.csv", "weather.csv"):
        copyfile(raw / name, folder / name)
    flights = pd.read_csv(raw / "flights.csv.zip")
    write_flights(folder, flights[flights["time_hour"].between(first_day, end_day, inclusive="left")])
    return folder


def read_flights(folder: Path) -> pd.DataFrame:
    """The flights that were written to `folder`."""
    return pd.read_csv(folder / "flights.csv.zip")


def write_flights(folder: Path, flights: pd.DataFrame) -> None:
    """Write the flights to `folder` as the raw file has them."""
    with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", flights.to_csv(index=False, na_rep="NA"))
