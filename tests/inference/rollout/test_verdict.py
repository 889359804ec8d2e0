"""What the figures allow: nothing on too little data, harm first, steps in order, a win when it is sure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from inference.rollout.policy import RolloutPolicy
from inference.rollout.record import Figures, Rollout
from inference.rollout.split import Mode
from inference.rollout.verdict import HARMS, judge
from tests.inference.rollout_world import STEPS, policy_of

START = datetime(2024, 5, 1, tzinfo=UTC)
CERTAIN = 10 * HARMS / RolloutPolicy.model_fields["alpha"].default
PLENTY = 500


def rollout_of(mode: Mode = "canary", step: int = 0, **changes: Any) -> Rollout:
    return Rollout(
        id=1,
        champion="1",
        challenger="2",
        promotions=0,
        policy=policy_of(mode, **changes),
        steps_began=(START,) * (step + 1),
    )


def figures_of(labels: int = PLENTY, requests: int = PLENTY, **changes: Any) -> Figures:
    chosen = {
        "labels": (labels, labels),
        "labelled_requests": labels,
        "labels_this_step": labels,
        "requests": (requests, requests),
        "units": (requests, requests),
        "mean_loss": (0.2, 0.1),
        "labelled_share": (0.5, 0.5),
        "failures": 0,
        "slow_share": (0.0, 0.0),
        "wealth_worse": 1.0,
        "wealth_better": 1.0,
        "wealth_failing": 1.0,
        "wealth_slow": 1.0,
    }
    return Figures.model_validate({**chosen, **changes})


@pytest.mark.parametrize(
    ("mode", "step", "figures", "action", "said"),
    [
        ("canary", 0, figures_of(labels=STEPS[0].labels - 1), "wait", "10 needed"),
        ("canary", 0, figures_of(labels=STEPS[0].labels), "wait", "20 needed"),
        ("canary", 0, figures_of(), "advance", "do not show that it is worse"),
        ("canary", 1, figures_of(), "wait", "which is better"),
        ("canary", 0, figures_of(wealth_better=CERTAIN), "advance", "not show"),
        ("canary", 1, figures_of(wealth_better=CERTAIN), "promote", "it is better"),
        ("canary", 1, figures_of(labels_this_step=3, wealth_better=CERTAIN), "wait", "3 labels"),
        ("ab", 0, figures_of(wealth_better=CERTAIN), "promote", "0.1 against the champion's 0.2"),
        ("shadow", 0, figures_of(wealth_better=CERTAIN), "promote", "it is better"),
        ("shadow", 0, figures_of(labels=19, wealth_better=CERTAIN), "wait", "20 needed"),
        ("ab", 0, figures_of(wealth_worse=CERTAIN, wealth_better=CERTAIN), "roll_back", "it is worse"),
        ("ab", 0, figures_of(labels=19, wealth_worse=CERTAIN), "wait", "20 needed"),
        ("ab", 0, figures_of(labels=0, failures=9, wealth_failing=CERTAIN), "roll_back", "9 of 500"),
        ("ab", 0, figures_of(labels=0, requests=19, wealth_failing=CERTAIN), "wait", "needed"),
        ("ab", 0, figures_of(slow_share=(0.1, 0.4), wealth_slow=CERTAIN), "roll_back", "40.0%"),
        ("ab", 0, figures_of(labels=2_000), "stop", "do not show that it is better"),
        (
            "ab",
            0,
            figures_of(labels=3, labelled_requests=2_000),
            "stop",
            "2000 labels of the challenger (3 units)",
        ),
        ("ab", 0, figures_of(labels=2_000, wealth_better=CERTAIN), "promote", "it is better"),
        ("ab", 0, figures_of(labelled_share=(0.9, 0.5), wealth_better=CERTAIN), "wait", "look why"),
        ("canary", 0, figures_of(labelled_share=(0.5, 0.9)), "wait", "look why"),
        ("canary", 0, figures_of(labelled_share=(0.9, 0.5), wealth_worse=CERTAIN), "roll_back", "worse"),
    ],
)
def test_a_verdict_follows_from_the_figures(
    mode: Mode, step: int, figures: Figures, action: str, said: str
) -> None:
    verdict = judge(rollout_of(mode, step), figures)

    assert verdict.action == action
    assert said in verdict.reason


def test_a_win_may_be_left_to_people() -> None:
    verdict = judge(rollout_of("ab", on_win="stop"), figures_of(wealth_better=CERTAIN))

    assert verdict.action == "stop"
    assert "it is better" in verdict.reason


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "shadow", "share": 0.5}, "shadow has neither"),
        ({"mode": "canary", "steps": ()}, "a canary has steps"),
        ({"mode": "canary", "steps": STEPS[::-1]}, "exceed the one before"),
        ({"mode": "ab", "share": 1.0}, "less than 1"),
        ({"mode": "ab", "minimum_labels": 9, "maximum_labels": 8}, "must not exceed"),
        ({"mode": "ab", "salt": ""}, "at least 1 character"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        policy_of(**fields)
