"""A shrunken year on real raw files: fewer weeks, and from one day on every flight later than it was."""

from datetime import timedelta
from pathlib import Path

from flight_delay.problem import PROBLEM as YEAR_PROBLEM
from tests.flight_delay.raw_days import read_flights, write_flights, write_raw_days

FIRST_DAY, SHIFT_DAY, LAST_DAY = "2013-01-01", "2013-02-01", "2013-02-18"
SHIFT_MINUTES = 25
WARM_UP_DAYS = 28

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
    write_raw_days(folder, FIRST_DAY, LAST_DAY)
    flights = read_flights(folder)
    shifted = flights["time_hour"] >= SHIFT_DAY
    flights.loc[shifted, ["dep_delay", "arr_delay"]] += SHIFT_MINUTES
    write_flights(folder, flights)
    return folder
