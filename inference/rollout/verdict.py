"""What the figures of a rollout allow: wait, advance, promote, stop or roll back. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from inference.rollout.policy import RolloutPolicy
from inference.rollout.record import Figures, Rollout
from inference.rollout.split import REQUEST_ID

# A rollout may be rolled back for being worse, failing or slow: each gets this part of alpha.
HARMS: Final = 3
# A challenger whose mean loss is worse by `CLEARLY_WORSE` of the cap is rolled back before it has this many
# labels, in 95 of 100 rollouts under the default alpha, if losses deviate by at most 0.3 of the cap.
CLEARLY_WORSE: Final = 0.1
ROLLED_BACK_WITHIN: Final = 600


@dataclass(frozen=True)
class Verdict:
    """What to do with a rollout, and why."""

    action: Literal["wait", "advance", "promote", "stop", "roll_back"]
    reason: str


def judge(rollout: Rollout, figures: Figures) -> Verdict:
    """Decide on a rollout.

    The false alarms of all looks together are at most `alpha` (see `betting`): a challenger that is no worse,
    no slower and fails no more than allowed is rolled back with at most that probability, one that is no
    better is promoted with at most that probability.
    """
    policy = rollout.policy
    harm = _find_harm(rollout, figures)
    if harm is not None:
        return Verdict("roll_back", harm)
    better = figures.wealth_better >= 1 / policy.alpha
    if figures.labelled_requests >= policy.maximum_labels and not better:
        return Verdict(
            "stop", f"{_labels(figures)} do not show that it is better: {_losses(rollout, figures)}"
        )
    hold = _find_hold(rollout, figures)
    if hold is not None:
        return Verdict("wait", hold)
    if rollout.step + 1 < len(policy.shares):
        return Verdict(
            "advance", f"{_labels(figures)} do not show that it is worse: {_losses(rollout, figures)}"
        )
    if not better:
        return Verdict("wait", f"{_labels(figures)} do not show yet which is better")
    won = f"it is better: {_losses(rollout, figures)} over {_labels(figures)}"
    return Verdict("promote" if policy.on_win == "promote" else "stop", won)


def _find_harm(rollout: Rollout, figures: Figures) -> str | None:
    policy = rollout.policy
    certain = HARMS / policy.alpha
    enough_requests = figures.requests[1] >= policy.minimum_requests
    if enough_requests and figures.wealth_failing >= certain:
        failing = f"{figures.failures} of {figures.units[1]} {_first_requests(policy)}"
        return f"it fails too often: {failing}, {policy.error_share:.1%} allowed"
    if enough_requests and figures.wealth_slow >= certain:
        champion, challenger = figures.slow_share
        return (
            f"it is too slow: {challenger:.1%} of {_first_requests(policy)} over {policy.slow_ms:g} ms, the "
            f"champion {champion:.1%}, {policy.slow_share:.1%} more allowed"
        )
    if figures.labels[1] >= policy.minimum_labels and figures.wealth_worse >= certain:
        return f"it is worse: {_losses(rollout, figures)} over {_labels(figures)}"
    return None


def _find_hold(rollout: Rollout, figures: Figures) -> str | None:
    """Why nothing good may be concluded yet; None when it may."""
    policy = rollout.policy
    needed = policy.labels_needed(rollout.step)
    if figures.labels_this_step < needed:
        return f"{figures.labels_this_step} labels of the challenger at this step, {needed} needed"
    if figures.labels[1] < policy.minimum_labels:
        return f"labels of {figures.labels[1]} units of the challenger's, {policy.minimum_labels} needed"
    champion, challenger = figures.labelled_share
    if abs(champion - challenger) > policy.label_gap:
        return (
            f"{challenger:.1%} of the challenger's requests have a label, {champion:.1%} of the champion's: "
            "look why before trusting either"
        )
    return None


def _first_requests(policy: RolloutPolicy) -> str:
    return "requests" if policy.key == REQUEST_ID else f"first requests by {policy.key}"


def _labels(figures: Figures) -> str:
    requests, units = figures.labelled_requests, figures.labels[1]
    return f"{requests} labels of the challenger" + ("" if requests == units else f" ({units} units)")


def _losses(rollout: Rollout, figures: Figures) -> str:
    if figures.mean_loss is None:
        return "no losses to compare"
    champion, challenger = figures.mean_loss
    return f"mean {rollout.policy.metric} {challenger:.4g} against the champion's {champion:.4g}"
