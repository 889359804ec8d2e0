"""Divide the time before `as_of` into windows: fit, early stopping, calibration and, newest, gate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd

from contracts.problem import Windows
from features.timestamps import BEGINNING, to_microseconds
from training.errors import EmptyWindowError

WindowName = Literal["fit", "early_stopping", "calibration", "gate"]

WINDOW_NAMES: tuple[WindowName, ...] = ("fit", "early_stopping", "calibration", "gate")


@dataclass(frozen=True)
class TimeRange:
    """Instants with `start <= instant < end`, both UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class WindowRanges:
    """The four ranges; each one ends where the next begins, and the gate ends at `as_of`."""

    fit: TimeRange
    early_stopping: TimeRange
    calibration: TimeRange
    gate: TimeRange

    def __iter__(self) -> Iterator[tuple[WindowName, TimeRange]]:
        return iter((name, getattr(self, name)) for name in WINDOW_NAMES)


def window_ranges(windows: Windows, as_of: datetime) -> WindowRanges:
    """Return the ranges of prediction instants that end at `as_of`."""
    gate = as_of - windows.gate
    calibration = gate - windows.calibration
    early_stopping = calibration - windows.early_stopping
    fit = BEGINNING if windows.fit is None else early_stopping - windows.fit
    return WindowRanges(
        fit=TimeRange(fit, early_stopping),
        early_stopping=TimeRange(early_stopping, calibration),
        calibration=TimeRange(calibration, gate),
        gate=TimeRange(gate, as_of),
    )


def rows_within(instants: pd.Series, span: TimeRange) -> slice:
    """Return the positions of the ascending `instants` (tz-aware) that lie in `span`."""
    microseconds = instants.dt.as_unit("us").astype("int64")  # pandas' nanoseconds begin in 1677
    start, end = microseconds.searchsorted([to_microseconds(span.start), to_microseconds(span.end)])
    return slice(int(start), int(end))


def divide(instants: pd.Series, windows: Windows, as_of: datetime) -> dict[WindowName, slice]:
    """Return each window's positions in the ascending prediction instants.

    Raises:
        EmptyWindowError: the fit window has fewer than `minimum_rows`, or another window none.
    """
    positions = {name: rows_within(instants, span) for name, span in window_ranges(windows, as_of)}
    for name, rows in positions.items():
        _require_rows(name, rows.stop - rows.start, windows, as_of)
    return positions


def _require_rows(name: WindowName, rows: int, windows: Windows, as_of: datetime) -> None:
    needed = windows.minimum_rows if name == "fit" else 1
    if rows < needed:
        raise EmptyWindowError(
            f"the {name} window as of {as_of.isoformat()} holds {rows} labelled examples and needs {needed}; "
            "train at a later as_of, or shorten the problem's windows"
        )


def order_is_ascending(instants: pd.Series) -> bool:
    """Whether the instants never go back in time."""
    return bool(np.all(np.diff(instants.to_numpy().astype("datetime64[us]").astype(np.int64)) >= 0))
