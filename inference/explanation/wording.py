"""Contributions in the problem's words: what the feature is, its value, which way it moved the prediction."""

from collections.abc import Mapping

from contracts.problem import Problem
from inference.core.answer import Reason

BASE = "(base value)"
OTHERS = "(all others)"


def describe_features(problem: Problem) -> dict[str, str]:
    """Each feature's description: of `Problem.reasons`, else of the request field of that name."""
    return {field.name: field.description for field in problem.fields} | dict(problem.reasons)


def reason_for(
    descriptions: Mapping[str, str], feature: str, value: str | float | None, contribution: float
) -> Reason:
    """One feature's reason; a feature that nobody described goes by its name."""
    described = descriptions.get(feature, feature.replace("_", " "))
    moves = "raises" if contribution > 0 else "lowers"
    if value is None:
        text = f"{described} is missing, which {moves} the prediction"
    else:
        text = f"{described} = {value if isinstance(value, str) else f'{value:g}'} {moves} the prediction"
    return Reason(feature, value, contribution, text)


def base_reason(base: float, problem: Problem) -> Reason:
    """What is predicted before any feature is looked at: the contributions start from it."""
    return Reason(BASE, None, base, f"{problem.title}: the prediction before any feature is known")


def other_reason(contribution: float) -> Reason:
    """All features that are not named, together."""
    return Reason(OTHERS, None, contribution, "all other features together")
