"""Two versions in a registry, and the policies that the rollouts of the tests run under."""

from typing import Any

from contracts.promotion import promote
from contracts.registry import current
from inference.rollout.policy import CanaryStep, RolloutPolicy
from inference.rollout.split import Mode
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM

NAME = PROBLEM.name
STEPS = (CanaryStep(share=0.2, labels=10), CanaryStep(share=0.6, labels=20))
SHARES: dict[Mode, dict[str, Any]] = {"shadow": {}, "canary": {"steps": STEPS}, "ab": {"share": 0.5}}


def policy_of(mode: Mode = "canary", **changes: Any) -> RolloutPolicy:
    """A policy that decides on few labels and knows servers that follow at once."""
    chosen = {
        "salt": "test",
        "metric": "squared_error",
        "loss_cap": 1.0,
        "minimum_labels": 20,
        "minimum_requests": 20,
        "maximum_labels": 2_000,
        "slow_ms": 30_000.0,
        "settle_seconds": 0.0,
    }
    return RolloutPolicy(mode=mode, **{**chosen, **SHARES[mode], **changes})


def champion_of(settings: InferenceSettings) -> str | None:
    """The version that the alias names."""
    ref = current(settings.registry, NAME)
    return None if ref is None else ref.version


def promote_version(settings: InferenceSettings, version: str, reason: str = "by training") -> None:
    """Make a version the champion, as training does."""
    promote(settings.registry, NAME, version, reason, champion_of(settings))
