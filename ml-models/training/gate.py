"""The gate: may the challenger replace the champion? Pure; both were measured on the same fresh window."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from contracts.evaluate import Metrics
from contracts.metrics import improvement, require_comparable
from contracts.problem import Guardrail, Problem
from training.gain import Gain


class GateVerdict(BaseModel):
    """The decision, why, and what every contestant measured on the gate window of `sample` rows.

    `gain` is the challenger's over the champion, or over the base rate where there is no champion's.
    """

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reasons: tuple[str, ...]
    primary_metric: str
    sample: int
    challenger: Metrics
    champion: Metrics | None
    base_rate: Metrics
    gain: Gain


class Check(BaseModel):
    """One condition and how it came out."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    reason: str


def judge(
    problem: Problem,
    sample: int,
    challenger: Metrics,
    champion: Metrics | None,
    base_rate: Metrics,
    gain: Gain,
    conditions: Sequence[Check] = (),
) -> GateVerdict:
    """Apply the problem's gate policy to metrics that were measured on the same `sample` rows.

    Without a champion the challenger must beat the base rate by `margin_over_base_rate`; with one it must
    beat the champion by more than `margin_over_champion`, as surely as `probability_over_champion` asks, and
    break no guardrail. A NaN passes nothing. `conditions` are what the comparison itself must fulfil.

    Raises:
        UnknownMetricError: the primary metric or a guardrail cannot be compared.
    """
    for name in (problem.primary_metric, *(rail.metric for rail in problem.gate.guardrails)):
        require_comparable(problem.task, name)
    checks = [_enough(problem, sample), *conditions]
    if champion is None:
        checks.append(_beats_base_rate(problem, challenger, base_rate, gain))
    else:
        checks += _beats_champion(problem, challenger, champion, gain)
        checks += [_keeps(problem, rail, challenger, champion) for rail in problem.gate.guardrails]
    return GateVerdict(
        accepted=all(check.passed for check in checks),
        reasons=tuple(check.reason for check in checks),
        primary_metric=problem.primary_metric,
        sample=sample,
        challenger=challenger,
        champion=champion,
        base_rate=base_rate,
        gain=gain,
    )


def _enough(problem: Problem, sample: int) -> Check:
    needed = problem.gate.minimum_sample
    passed = sample >= needed
    return Check(
        passed=passed,
        reason=f"{sample} labelled {problem.unit} in the gate window, {needed} needed{_mark(passed)}",
    )


def _beats_base_rate(problem: Problem, challenger: Metrics, base_rate: Metrics, gain: Gain) -> Check:
    margin = problem.gate.margin_over_base_rate
    passed = gain.point >= margin
    return _compared(problem, "base rate", gain, margin, challenger, base_rate, passed)


def _beats_champion(problem: Problem, challenger: Metrics, champion: Metrics, gain: Gain) -> list[Check]:
    margin, needed = problem.gate.margin_over_champion, problem.gate.probability_over_champion
    passed = gain.point > margin
    checks = [_compared(problem, "champion", gain, margin, challenger, champion, passed)]
    return [*checks, _sure(needed, gain)] if needed else checks


def _sure(needed: float, gain: Gain) -> Check:
    passed = gain.probability is not None and gain.probability >= needed
    found = "unknown" if gain.probability is None else f"{gain.probability:.2f}"
    reason = f"probability of a gain {found} over {gain.days} days, {needed:g} needed{_mark(passed)}"
    return Check(passed=passed, reason=reason)


def _compared(
    problem: Problem, rival: str, gain: Gain, margin: float, mine: Metrics, theirs: Metrics, passed: bool
) -> Check:
    name = problem.primary_metric
    measured = f"{name} {mine[name]:.4f} against the {rival}'s {theirs[name]:.4f}"
    return Check(passed=passed, reason=f"{measured}: {gain.describe()}, {margin:g} needed{_mark(passed)}")


def _keeps(problem: Problem, rail: Guardrail, challenger: Metrics, champion: Metrics) -> Check:
    worse_by = -improvement(problem.task, rail.metric, challenger[rail.metric], champion[rail.metric])
    passed = worse_by <= rail.tolerance
    measured = (
        f"{rail.metric} {challenger[rail.metric]:.4f} against the champion's {champion[rail.metric]:.4f}"
    )
    return Check(passed=passed, reason=f"{measured}: at most {rail.tolerance:g} worse allowed{_mark(passed)}")


def _mark(passed: bool) -> str:
    return "" if passed else " (refused)"
