"""What the registry says of a rollout: the one under way, what was decided, and the state it is read from."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.promotion import HISTORY_PREFIX as PROMOTION_PREFIX
from contracts.registry import Deployment
from inference.rollout.policy import RolloutPolicy
from inference.rollout.split import Split

RECORD_VERSION: Final = 1
CURRENT_TAG: Final = "rollout.current"
INTENT_TAG: Final = "rollout.intent"
HISTORY_PREFIX: Final = "rollout.history."
LONGEST_REASON: Final = 1_000

Action = Literal["start", "advance", "promote", "stop", "roll_back", "abort", "superseded"]


class Record(BaseModel):
    """Base of what is written to the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rollout(Record):
    """A rollout under way: the two versions, the rules, and when each step began (UTC).

    It holds as long as `champion` is the champion, `challenger` carries its alias, and nothing was promoted
    or rolled back since it started (`promotions` were, before).
    """

    version: Literal[1] = RECORD_VERSION
    id: int
    champion: str
    challenger: str
    promotions: int
    policy: RolloutPolicy
    steps_began: tuple[AwareDatetime, ...] = Field(min_length=1)

    @property
    def step(self) -> int:
        """The step that it is at, counted from 0."""
        return len(self.steps_began) - 1

    @property
    def split(self) -> Split:
        """Who gets what just now."""
        return self.policy.split(self.step)

    def holds_in(self, deployment: Deployment) -> bool:
        """Whether it is still what the registry's aliases and promotions allow."""
        versions = [ref and ref.version for ref in (deployment.serving, deployment.challenger)]
        unmoved = count_promotions(deployment.tags) == self.promotions
        return versions == [self.champion, self.challenger] and unmoved


class Figures(Record):
    """What a decision was made on. Pairs are `(champion's, challenger's)`.

    `labels` and `units` count units of the split, once for each time that their arm was drawn: those with a
    label, and all. `requests`, `labelled_requests` and `labels_this_step` count every request, also of those
    who came back. Of the units' first requests: `failures`, those of the challenger's that the champion
    answered for it, or that a shadow did not score; `slow_share`, those over the policy's limit. Losses are
    those of the first labels, cut off at the policy's cap.

    `wealth_*` is what a gambler's stake of 1 has become by betting that the challenger is worse, is better,
    fails more often, or is slow more often than allowed.
    """

    labels: tuple[int, int]
    labelled_requests: int
    labels_this_step: int
    requests: tuple[int, int]
    units: tuple[int, int] = (0, 0)
    mean_loss: tuple[float, float] | None
    labelled_share: tuple[float, float]
    failures: int
    slow_share: tuple[float, float]
    wealth_worse: float
    wealth_better: float
    wealth_failing: float
    wealth_slow: float


class Entry(Record):
    """One decision about a rollout, as history keeps it; `share` is the challenger's from then on."""

    version: Literal[1] = RECORD_VERSION
    id: int
    rollout: int
    action: Action
    champion: str
    challenger: str
    share: float
    reason: str
    at: AwareDatetime
    figures: Figures | None = None


class Intent(Record):
    """A decision that is about to be carried out, and the rollout that it leaves under way, if any."""

    entry: Entry
    after: Rollout | None


def current_rollout(deployment: Deployment) -> Rollout | None:
    """The rollout that the registry has under way, whether it still holds or not."""
    text = deployment.tags.get(CURRENT_TAG)
    return Rollout.model_validate_json(text) if text else None


def pending_intent(deployment: Deployment) -> Intent | None:
    """The decision that a crash left half carried out."""
    text = deployment.tags.get(INTENT_TAG)
    return Intent.model_validate_json(text) if text else None


def read_history(deployment: Deployment) -> list[Entry]:
    """Every decision about rollouts of the model, oldest first."""
    keys = sorted(key for key in deployment.tags if key.startswith(HISTORY_PREFIX))
    return [Entry.model_validate_json(deployment.tags[key]) for key in keys]


def count_promotions(tags: Mapping[str, str]) -> int:
    """How often the champion was moved with a journal entry."""
    return sum(key.startswith(PROMOTION_PREFIX) for key in tags)
