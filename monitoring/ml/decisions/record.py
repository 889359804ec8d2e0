"""The record of decisions: an append-only file of JSON lines that survives a crash at any byte."""

import os
from pathlib import Path
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from monitoring.ml.decisions.policy import PastWindow, VerdictName
from monitoring.ml.decisions.signals import Signal
from monitoring.ml.errors import DecisionLogError

SCHEMA_VERSION = 1


class Decision(BaseModel):
    """What was decided about the window `window_start <= instant < window_end`, as of `as_of` (UTC).

    `sample` counts the window's predictions, `labelled` those of them with a label, `evaluated` the
    champion's labels that arrived in the window and that `metrics` are measured on. `flow_run_id` is the
    training run that a `retrain` verdict asked for; while it is None the request is open, and
    `trigger_error` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    decision_id: UUID
    problem: str
    champion: str
    window_start: AwareDatetime
    window_end: AwareDatetime
    as_of: AwareDatetime
    sample: int
    labelled: int
    labelled_share: float
    overdue_share: float
    evaluated: int
    signals: tuple[Signal, ...]
    feature_psi: dict[str, float]
    metrics: dict[str, float]
    drifting: bool
    verdict: VerdictName
    reasons: tuple[str, ...]
    flow_run_id: str | None = None
    trigger_error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether retraining was decided but no run was started yet."""
        return self.verdict == "retrain" and self.flow_run_id is None

    def as_past(self) -> PastWindow:
        """What the policy remembers of it."""
        return PastWindow(self.window_start, self.window_end, self.drifting, self.verdict == "retrain")


class DecisionLog:
    """One line per decision; a later line with the same id replaces the earlier one (its run was started).

    Its owner holds a lock between reading and appending.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Decision]:
        """Every decision in its newest state, by window end. A line cut short by a crash does not count.

        Raises:
            DecisionLogError: a whole line is not a decision of a known schema version.
        """
        newest = {decision.decision_id: decision for decision in map(self._parse, self._whole_lines())}
        return sorted(newest.values(), key=lambda decision: decision.window_end)

    def find(self, window_end: AwareDatetime) -> Decision | None:
        """The decision on the window that ends then, if there is one."""
        return next((decision for decision in self.read() if decision.window_end == window_end), None)

    def append(self, decision: Decision) -> None:
        """Write one line; when this returns, the line is on the disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as record:
            record.truncate(sum(len(line) + 1 for line in self._whole_lines()))
            record.write(decision.model_dump_json().encode() + b"\n")
            record.flush()
            os.fsync(record.fileno())
        _sync_folder(self._path.parent)

    def _whole_lines(self) -> list[bytes]:
        return self._path.read_bytes().split(b"\n")[:-1] if self._path.exists() else []

    def _parse(self, line: bytes) -> Decision:
        try:
            decision = Decision.model_validate_json(line)
        except ValidationError as error:
            raise DecisionLogError(
                f"{self._path} has a damaged line; restore or remove it ({error})"
            ) from error
        if decision.schema_version != SCHEMA_VERSION:
            raise DecisionLogError(
                f"{self._path} has a decision of schema version {decision.schema_version}, this code reads "
                f"{SCHEMA_VERSION}; move the file away to start a new record"
            )
        return decision


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
