"""What can go wrong in the monitoring room; every message says what to do next."""


class MonitoringError(Exception):
    """Base of this room's errors."""


class NoChampionError(MonitoringError):
    """There is nothing to monitor: no version is champion."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem} has no champion, so there is no reference to compare with; "
            "train and promote one with `python -m training train`"
        )


class DecisionLogError(MonitoringError):
    """The record of decisions cannot be read; nothing is decided on a record that may be incomplete."""


class TriggerError(MonitoringError):
    """The training deployment could not be asked to run; the request stays open and is repeated."""


class ReportError(MonitoringError):
    """A window's reports cannot be written or found."""


class FeatureDriftError(MonitoringError):
    """The weeks asked for cannot be compared."""
