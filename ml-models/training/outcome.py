"""What a training is asked for, and what comes of it."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.evaluate import Metrics
from training.gate import GateVerdict


class TrainingRequest(BaseModel):
    """Train on what was known at `as_of`; `shuffle_labels` breaks the model on purpose, to test the gate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: AwareDatetime
    reason: str
    shuffle_labels: bool = False
    flow_run_id: str = ""


class TrainingOutcome(BaseModel):
    """The registered version and the gate's verdict; whether the version is the champion now.

    An accepted version that was not promoted waits for its rollout. `candidates`: the primary metric of each
    family on the calibration window. `left_out`: the families that were better and cannot be exported, each
    with the reason. `seconds`: the time per step.
    """

    model_config = ConfigDict(frozen=True)

    problem: str
    as_of: AwareDatetime
    version: str
    family: str
    run_id: str
    verdict: GateVerdict
    promoted: bool
    candidates: dict[str, float]
    left_out: dict[str, str] = {}
    seconds: dict[str, float]

    @property
    def accepted(self) -> bool:
        """Whether the gate accepted the version."""
        return self.verdict.accepted

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the gate found."""
        return self.verdict.reasons

    @property
    def metrics(self) -> Metrics:
        """The version's metrics on the gate window."""
        return self.verdict.challenger
