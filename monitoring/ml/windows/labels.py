"""Late labels meet logged predictions: which labels arrived in a window, and which are overdue."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from contracts.problem import Label
from inference.prediction_log.label_join import KNOWN_AT, LABEL


@dataclass(frozen=True)
class Window:
    """Half-open: `start <= instant < end`, both UTC."""

    start: datetime
    end: datetime

    @classmethod
    def ending(cls, end: datetime, length: timedelta) -> "Window":
        """The window of this length that ends at `end`."""
        return cls(end - length, end)

    def earlier(self, by: timedelta) -> "Window":
        """The same length, moved back."""
        return Window(self.start - by, self.end - by)

    def holds(self, instants: pd.Series) -> pd.Series:
        """Whether each instant lies in the window; a missing instant lies nowhere."""
        return (instants >= pd.Timestamp(self.start)) & (instants < pd.Timestamp(self.end))


@dataclass(frozen=True)
class Coverage:
    """How many of a window's predictions have their label, and how many labels are overdue.

    `due` counts the predictions whose label fell due in the window (they were made `due_within` before);
    `overdue` are those of them without one.
    """

    sample: int
    labelled: int
    due: int
    overdue: int

    @property
    def labelled_share(self) -> float:
        """Share of the window's own predictions whose label is known; 0 for an empty window."""
        return self.labelled / self.sample if self.sample else 0.0

    @property
    def overdue_share(self) -> float:
        """Share without label of the predictions whose label fell due in the window; 0 when none did."""
        return self.overdue / self.due if self.due else 0.0


def span_to_read(window: Window, label: Label) -> Window:
    """The predictions that a window needs: its own, and those whose labels may arrive in it."""
    return Window(window.start - label.due_within, window.end)


def measure_coverage(joined: pd.DataFrame, window: Window, label: Label) -> Coverage:
    """Count labels as of the window's end over rows of `join_labels`."""
    own = window.holds(joined["prediction_time"])
    due = window.earlier(label.due_within).holds(joined["prediction_time"])
    known = joined[LABEL].notna()
    return Coverage(
        sample=int(own.sum()),
        labelled=int((own & known).sum()),
        due=int(due.sum()),
        overdue=int((due & ~known).sum()),
    )


def newly_labelled(joined: pd.DataFrame, window: Window, version: str) -> pd.DataFrame:
    """The predictions of one model version whose labels arrived in the window, whenever they were made.

    Taking labels by arrival uses each label once, and does not prefer outcomes that are known quickly, as
    taking the labelled part of a window's own predictions would.
    """
    return joined[window.holds(joined[KNOWN_AT]) & (joined["model_version"] == version)]
