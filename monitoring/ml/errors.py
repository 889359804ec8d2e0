"""What can go wrong in the monitoring room; every message says what to do next."""

from datetime import datetime

from features.timestamps import EPOCH


class MonitoringError(Exception):
    """Base of this room's errors."""


class NoChampionError(MonitoringError):
    """There is nothing to monitor: no version is champion."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem} has no champion, so there is no reference to compare with; "
            "train and promote one with `python -m training train`"
        )


class WindowError(MonitoringError):
    """The window asked for cannot be decided on; nothing is recorded."""


class WindowNotEndedError(WindowError):
    """Predictions and labels of the window are still to come, and a decision on it would stand for good."""

    def __init__(self, as_of: datetime, now: datetime) -> None:
        super().__init__(
            f"the window ends at {as_of.isoformat()} and it is {now.isoformat()}; ask when it has ended"
        )


class WindowOutOfRangeError(WindowError):
    """The window ends before any that is kept could."""

    def __init__(self, as_of: datetime) -> None:
        super().__init__(f"{as_of.isoformat()} is before {EPOCH.isoformat()}; ask for a later window")


class DecisionLogError(MonitoringError):
    """The record of decisions cannot be read; nothing is decided on a record that may be incomplete."""


class TriggerError(MonitoringError):
    """The training deployment could not be asked to run; the request stays open and is repeated."""


class ReportError(MonitoringError):
    """A window's reports cannot be written or found."""


class FeatureDriftError(MonitoringError):
    """The weeks asked for cannot be compared."""
