"""The rollout policy: who gets what, and by which evidence that advances, stops or is rolled back."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inference.rollout.split import REQUEST_ID, Mode, Split

POLICY_VERSION: Final = 1
# A rollout is one tag of the registry, whose length is limited.
MOST_STEPS: Final = 20
Metric = Literal["log_loss", "brier", "squared_error", "absolute_error"]


class CanaryStep(BaseModel):
    """A share of the units, and how many of the challenger's labels this step needs before the next one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, lt=1)
    labels: int = Field(ge=1)


DEFAULT_STEPS = (
    CanaryStep(share=0.05, labels=200),
    CanaryStep(share=0.2, labels=500),
    CanaryStep(share=0.5, labels=1_000),
)


class RolloutPolicy(BaseModel):
    """One rollout's rules; kept in the registry, so that servers and judges everywhere follow the same.

    - `key`: an entity key or `request_id`: what sticks to one arm (canary, A/B).
    - `metric`, `loss_cap`: the loss per label, cut off at the cap, in which quality is compared.
    - `error_share`: the challenger may fail on this share of its units' first requests (the champion then
      answers).
    - `slow_ms`, `slow_share`: the share of units' first requests slower than this may exceed the champion's
      by that.
    - `alpha`: the chance of rolling back a challenger that is no worse, and of promoting one that is no
      better, each over the whole rollout, however often it is looked at.
    - `minimum_labels`: the challenger's units with a label; fewer decide nothing about quality. Each unit
      counts once for each time that its arm is drawn, so that few entities never make enough: then split by
      `request_id`.
    - `maximum_labels`: the challenger's labels after which the champion stays.
    - `minimum_requests`: the challenger's, before errors or latency decide anything.
    - `label_gap`: while the arms' labelled shares differ by more, nothing is advanced or promoted.
    - `settle_seconds`: how long servers may take to follow a step; requests in between are not counted.
    - `on_win`: whether a better challenger is promoted, or the rollout only stops and says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = POLICY_VERSION
    mode: Mode
    steps: tuple[CanaryStep, ...] = Field(default=(), max_length=MOST_STEPS)
    share: float | None = Field(default=None, gt=0, lt=1)
    key: str = REQUEST_ID
    salt: str = Field(min_length=1, max_length=64)
    metric: Metric
    loss_cap: float = Field(gt=0)
    error_share: float = Field(default=0.01, gt=0, lt=1)
    slow_ms: float = Field(default=100.0, gt=0)
    slow_share: float = Field(default=0.05, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, le=0.5)
    minimum_labels: int = Field(default=100, ge=1)
    maximum_labels: int = Field(default=20_000, ge=1)
    minimum_requests: int = Field(default=100, ge=1)
    label_gap: float = Field(default=0.1, gt=0, le=1)
    settle_seconds: float = Field(default=10.0, ge=0)
    on_win: Literal["promote", "stop"] = "promote"

    @property
    def shares(self) -> tuple[float, ...]:
        """The challenger's share of the answers at each step."""
        if self.mode == "canary":
            return tuple(step.share for step in self.steps)
        return (self.share or 0.0,)

    def split(self, step: int) -> Split:
        """Who gets what at a step, counted from 0."""
        return Split(self.mode, self.shares[step], self.key, self.salt)

    def labels_needed(self, step: int) -> int:
        """The challenger's labels that a step needs before it may end well."""
        return self.steps[step].labels if self.mode == "canary" else self.minimum_labels

    @model_validator(mode="after")
    def _says_who_gets_what(self) -> Self:
        if (self.mode == "canary") != bool(self.steps) or (self.mode == "ab") != (self.share is not None):
            raise ValueError("a canary has steps, A/B has a share, shadow has neither")
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError("each step's share must exceed the one before")
        if self.minimum_labels > self.maximum_labels:
            raise ValueError("minimum_labels must not exceed maximum_labels")
        return self
