"""The decision: minimum sample, effect size, N of M windows, cool-down, and a reason for every answer."""

from datetime import datetime, timedelta

import pytest

from monitoring.ml.decisions.policy import PastWindow, Verdict, decide, separate_windows
from monitoring.ml.decisions.signals import Purpose, Signal
from tests.monitoring.orders import POLICY, START, WEEK

ENOUGH = POLICY.minimum_sample


def make_signal(drifting: bool, purpose: Purpose = "retrain") -> Signal:
    return Signal(
        name="feature_drift",
        purpose=purpose,
        value=POLICY.feature_share * (2 if drifting else 0.5),
        threshold=POLICY.feature_share,
        drifting=drifting,
        detail="most moved amount",
    )


def past_windows(drifting: str, requested: int | None = None) -> list[PastWindow]:
    """One week each, oldest first; "x" drifted. The last one ends at `START`."""
    first = START - len(drifting) * WEEK
    return [
        PastWindow(first + number * WEEK, first + (number + 1) * WEEK, mark == "x", number == requested)
        for number, mark in enumerate(drifting)
    ]


def decide_next(
    past: list[PastWindow], drifting: bool = True, sample: int = ENOUGH, end: datetime = START + WEEK
) -> Verdict:
    return decide(end, sample, [make_signal(drifting)], past, POLICY)


def test_a_tiny_sample_never_decides() -> None:
    verdict = decide_next(past_windows("xxx"), sample=ENOUGH - 1)

    assert (verdict.name, verdict.drifting) == ("insufficient", False)
    assert str(ENOUGH) in verdict.reasons[0]


def test_sheer_sample_size_without_effect_never_decides() -> None:
    verdict = decide_next(past_windows("xxx"), drifting=False, sample=10_000_000)

    assert (verdict.name, verdict.drifting) == ("hold", False)
    assert verdict.reasons == ("no signal is past its threshold",)


@pytest.mark.parametrize(
    ("past", "expected"),
    [("", "drifting"), ("..", "drifting"), ("x.", "retrain"), (".x", "retrain"), ("x..", "drifting")],
)
def test_drift_must_be_seen_in_n_of_the_last_m_windows(past: str, expected: str) -> None:
    assert (POLICY.windows_needed, POLICY.windows_seen) == (2, 3)
    assert decide_next(past_windows(past)).name == expected


def test_a_window_that_does_not_drift_never_asks_for_retraining() -> None:
    assert decide_next(past_windows("xx"), drifting=False).name == "hold"


def test_windows_from_before_a_request_no_longer_count() -> None:
    assert decide_next(past_windows("xx", requested=1), end=START + WEEK).name == "drifting"


def test_cooling_down_ends_with_the_cool_down() -> None:
    policy = POLICY.model_copy(update={"cool_down": 3 * WEEK})
    signals = [make_signal(True)]
    past = past_windows("xx", requested=0)

    cooling = decide(START + WEEK, ENOUGH, signals, past, policy)
    later = [*past, PastWindow(START, START + WEEK, True, False)]
    over = decide(past[0].end + policy.cool_down, ENOUGH, signals, later, policy)

    assert (cooling.name, over.name) == ("cooling_down", "retrain")
    assert f"{past[0].end + policy.cool_down:%Y-%m-%d}" in cooling.reasons[-1]


def test_overlapping_windows_count_once() -> None:
    """Asking every hour must not turn one drifting day into many drifting windows."""
    hourly = [
        PastWindow(START + timedelta(hours=hour) - WEEK, START + timedelta(hours=hour), True, False)
        for hour in range(1, 24)
    ]

    assert separate_windows(START + timedelta(days=1), hourly, POLICY) == []
    assert decide_next(hourly, end=START + timedelta(days=1)).name == "drifting"


def test_an_alert_never_asks_for_retraining_but_is_told() -> None:
    alert = make_signal(True, purpose="alert")

    verdict = decide(START + WEEK, ENOUGH, [make_signal(False), alert], past_windows("xx"), POLICY)

    assert verdict.name == "hold"
    assert any(alert.detail in reason for reason in verdict.reasons)


def test_the_reasons_name_signal_value_and_threshold() -> None:
    verdict = decide_next(past_windows("x."))

    assert verdict.name == "retrain"
    assert "feature_drift 0.600 is past 0.3 (most moved amount)" in verdict.reasons
    assert "2 of the last 3 windows drifting, 2 needed" in verdict.reasons
