"""A shrunken year on real raw files: fewer weeks, and from one day on every flight later than it was."""

import zipfile
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pandas as pd

from features.raw import find_raw_dir
from flight_delay.problem import PROBLEM as YEAR_PROBLEM

FIRST_DAY, SHIFT_DAY, LAST_DAY = "2013-01-01", "2013-02-01", "2013-02-18"
SHIFT_MINUTES = 25
WARM_UP = timedelta(days=28)

PROBLEM = YEAR_PROBLEM.model_copy(
    update={
        "windows": YEAR_PROBLEM.windows.model_copy(
            update={
                "early_stopping": timedelta(days=2),
                "calibration": timedelta(days=3),
                "gate": timedelta(days=3),
            }
        ),
        "drift": YEAR_PROBLEM.drift.model_copy(
            update={"windows_needed": 2, "windows_seen": 3, "cool_down": timedelta(days=14)}
        ),
    }
)


def write_shifted_raw(folder: Path) -> Path:
    """Write the raw files of `FIRST_DAY` to `LAST_DAY`; flights from `SHIFT_DAY` on are made later."""
    raw = find_raw_dir()
    folder.mkdir(parents=True)
    for name in ("airlines.csv", "airports.csv", "planes.csv", "weather.csv"):
        copyfile(raw / name, folder / name)
    flights = pd.read_csv(raw / "flights.csv.zip")
    flights = flights[flights["time_hour"].between(FIRST_DAY, LAST_DAY)]
    shifted = flights["time_hour"] >= SHIFT_DAY
    flights.loc[shifted, ["dep_delay", "arr_delay"]] += SHIFT_MINUTES
    with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", flights.to_csv(index=False, na_rep="NA"))
    return folder
