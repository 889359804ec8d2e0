"""What can be done with a model's rollout: start it, take it a step further, end it, look at it."""

from datetime import UTC, datetime

from contracts.bundle.reader import read_bundle
from contracts.errors import StaleChampionError
from contracts.promotion import recover
from contracts.registry import Deployment, deployed, fetch_bundle, version_ref
from contracts.settings import RegistrySettings
from inference.rollout.errors import ChallengerError, NoRolloutError, RolloutRunningError
from inference.rollout.intent import carry_out, locked, plan, settled
from inference.rollout.policy import RolloutPolicy
from inference.rollout.record import (
    Action,
    Entry,
    Figures,
    Rollout,
    count_promotions,
    current_rollout,
    read_history,
)


def start(
    settings: RegistrySettings,
    name: str,
    challenger: str,
    policy: RolloutPolicy,
    reason: str,
    expected_champion: str | None = None,
) -> Rollout:
    """Let `challenger` run against the champion under `policy`.

    Raises:
        RolloutRunningError: another rollout of the model is under way.
        ChallengerError: there is no champion, or the challenger is the champion already.
        StaleChampionError: the champion is not the expected one.
        UnknownVersionError, BundleError: the challenger is not there or cannot be used.
        RolloutBusyError: another process holds the lock.
    """
    with locked(settings, name):
        recover(settings, name)  # also waits for a promotion that is under way
        deployment = settled(settings, name)
        running = current_rollout(deployment)
        if running is not None:
            raise RolloutRunningError(
                f"version {running.challenger} of {name} is being rolled out since "
                f"{running.steps_began[0]:%Y-%m-%d %H:%M} UTC; `python -m inference rollout abort` ends that"
            )
        champion = _require_opponents(deployment, name, challenger, expected_champion)
        read_bundle(fetch_bundle(settings, version_ref(settings, name, challenger)))
        now = datetime.now(UTC)
        rollout = Rollout(
            id=1 + max((entry.rollout for entry in read_history(deployment)), default=0),
            champion=champion,
            challenger=challenger,
            promotions=count_promotions(deployment.tags),
            policy=policy,
            steps_began=(now,),
        )
        carry_out(settings, name, plan(deployment, rollout, "start", reason, None, rollout))
        return rollout


def advance(settings: RegistrySettings, name: str, rollout: Rollout, reason: str, figures: Figures) -> Entry:
    """Go to the next step of a canary.

    Raises:
        NoRolloutError: `rollout` is no longer what is under way; nothing was changed.
    """
    began = (*rollout.steps_began, datetime.now(UTC))
    after = rollout.model_copy(update={"steps_began": began})
    return _decide(settings, name, rollout, "advance", reason, figures, after)


def end(
    settings: RegistrySettings,
    name: str,
    rollout: Rollout,
    action: Action,
    reason: str,
    figures: Figures | None = None,
) -> Entry:
    """End a rollout; `promote` makes the challenger the champion first.

    A challenger that cannot be promoted after all leaves the champion, and the entry says `stop` and why.

    Raises:
        NoRolloutError: `rollout` is no longer what is under way; nothing was changed.
    """
    return _decide(settings, name, rollout, action, reason, figures, None)


def under_way(settings: RegistrySettings, name: str) -> Rollout | None:
    """The rollout under way, after finishing or recording what others left; None when there is none."""
    with locked(settings, name):
        return current_rollout(settled(settings, name))


def history(settings: RegistrySettings, name: str) -> list[Entry]:
    """Every decision about rollouts of `name`, oldest first."""
    return read_history(deployed(settings, name))


def _decide(
    settings: RegistrySettings,
    name: str,
    rollout: Rollout,
    action: Action,
    reason: str,
    figures: Figures | None,
    after: Rollout | None,
) -> Entry:
    with locked(settings, name):
        deployment = settled(settings, name)
        if current_rollout(deployment) != rollout:
            raise NoRolloutError(
                f"the rollout of version {rollout.challenger} of {name} has moved on meanwhile; "
                "`python -m inference rollout show` tells how"
            )
        return carry_out(settings, name, plan(deployment, rollout, action, reason, figures, after))


def _require_opponents(
    deployment: Deployment, name: str, challenger: str, expected_champion: str | None
) -> str:
    champion = None if deployment.serving is None else deployment.serving.version
    if champion is None:
        raise ChallengerError(
            f"{name} has no champion to run against; `python -m training promote` makes one"
        )
    if expected_champion is not None and champion != expected_champion:
        raise StaleChampionError(
            f"the champion of {name} is version {champion}, not {expected_champion} as expected; "
            "look at `python -m training list` and try again"
        )
    if champion == challenger:
        raise ChallengerError(f"version {challenger} of {name} is the champion already; name another version")
    return champion
