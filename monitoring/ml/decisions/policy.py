"""The decision, pure: minimum sample, effect sizes, N of M windows, cool-down; reasons for each answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.problem import DriftPolicy
from monitoring.ml.decisions.signals import Signal

VerdictName = Literal["insufficient", "hold", "drifting", "cooling_down", "retrain"]


@dataclass(frozen=True)
class PastWindow:
    """What the policy remembers of an earlier window (UTC)."""

    start: datetime
    end: datetime
    drifting: bool
    requested: bool


@dataclass(frozen=True)
class Verdict:
    """The policy's answer for one window. `drifting` is about this window alone."""

    name: VerdictName
    drifting: bool
    reasons: tuple[str, ...]


def decide(
    end: datetime,
    sample: int,
    signals: Sequence[Signal],
    past: Sequence[PastWindow],
    policy: DriftPolicy,
) -> Verdict:
    """Decide on the window that ends at `end` (UTC) and holds `sample` predictions.

    `past` may hold any windows: only those that end by this one's start count, none overlapping another, and
    none from before the last request. Retraining needs this window itself to be drifting.
    """
    if sample < policy.minimum_sample:
        return Verdict(
            "insufficient", False, (f"{sample} predictions, {policy.minimum_sample} needed to decide",)
        )
    moved = [signal for signal in signals if signal.purpose == "retrain" and signal.drifting]
    reasons = tuple(_describe(signal) for signal in moved)
    alerts = tuple(_describe(signal) for signal in signals if signal.purpose == "alert" and signal.drifting)
    if not moved:
        return Verdict("hold", False, ("no signal is past its threshold", *alerts))
    name, why = _weigh(end, past, policy)
    return Verdict(name, True, (*reasons, why, *alerts))


def separate_windows(end: datetime, past: Sequence[PastWindow], policy: DriftPolicy) -> list[PastWindow]:
    """The windows before the one that ends at `end`, newest first, none overlapping a newer one."""
    chosen: list[PastWindow] = []
    limit = end - policy.window
    for window in sorted(past, key=lambda window: window.end, reverse=True):
        if window.end <= limit:
            chosen.append(window)
            limit = window.start
    return chosen


def _weigh(end: datetime, past: Sequence[PastWindow], policy: DriftPolicy) -> tuple[VerdictName, str]:
    """Whether a drifting window is enough to ask for retraining."""
    requests = [window.end for window in past if window.requested and window.end < end]
    last = max(requests, default=None)
    since = [window for window in past if last is None or window.start >= last]
    seen = [True, *(window.drifting for window in separate_windows(end, since, policy))][
        : policy.windows_seen
    ]
    counted = f"{sum(seen)} of the last {len(seen)} windows drifting, {policy.windows_needed} needed"
    if sum(seen) < policy.windows_needed:
        return "drifting", f"{counted}: waiting"
    if last is not None and end < last + policy.cool_down:
        until = last + policy.cool_down
        return (
            "cooling_down",
            f"{counted}, but the request of {last:%Y-%m-%d} cools down until {until:%Y-%m-%d}",
        )
    return "retrain", counted


def _describe(signal: Signal) -> str:
    value = "unknown" if signal.value is None else f"{signal.value:.3f}"
    return f"{signal.name} {value} is past {signal.threshold:g} ({signal.detail})"
