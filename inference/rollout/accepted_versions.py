"""Versions that the gate accepted and training left to a rollout: the newest is started when none runs."""

from contracts.problem import Problem
from contracts.promotion import history as promotion_history
from contracts.registry import deployed, list_versions
from contracts.settings import RegistrySettings
from inference.rollout.actions import start
from inference.rollout.defaults import draft_policy
from inference.rollout.record import Rollout, read_history


def waiting_version(settings: RegistrySettings, name: str) -> str | None:
    """The newest accepted version that came after every version that has served or was rolled out."""
    deployment = deployed(settings, name)
    if deployment.serving is None:
        return None
    tried = [entry.challenger for entry in read_history(deployment)]
    served = [entry.to_version for entry in promotion_history(settings, name)]
    newest = max(map(int, [deployment.serving.version, *tried, *served]))
    accepted = [
        int(ref.version) for ref in list_versions(settings, name) if ref.tags.get("gate") == "accepted"
    ]
    waiting = max(accepted, default=0)
    return str(waiting) if waiting > newest else None


def start_waiting(settings: RegistrySettings, problem: Problem) -> Rollout | None:
    """Start the rollout that `settings.promotion` names of the version that waits; None when none does.

    Raises:
        RolloutRunningError: a rollout is under way.
        RolloutError, ContractError, BundleError: it cannot be started.
    """
    if settings.promotion == "direct":
        return None
    version = waiting_version(settings, problem.name)
    if version is None:
        return None
    policy = draft_policy(settings, problem, settings.promotion)
    return start(settings, problem.name, version, policy, "accepted by the gate")
