"""A policy for one problem and one pair of versions, with what can be derived filled in."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from contracts.bundle.reader import read_bundle
from contracts.problem import Problem
from contracts.registry import current, fetch_bundle
from contracts.settings import RegistrySettings
from inference.rollout.errors import BadPolicyError, ChallengerError
from inference.rollout.losses import cap_of, metric_of
from inference.rollout.policy import DEFAULT_STEPS, CanaryStep, RolloutPolicy
from inference.rollout.split import REQUEST_ID, Mode

DEFAULT_SHARE = 0.5


def draft_policy(settings: RegistrySettings, problem: Problem, mode: Mode, **chosen: Any) -> RolloutPolicy:
    """The policy with these fields chosen; others follow from problem and champion, or are defaults.

    Raises:
        BadPolicyError: a field is wrong, or the key is none that can be hashed.
        ChallengerError: there is no champion to run against.
        BundleError: the champion's bundle cannot be read.
    """
    fields = {name: value for name, value in chosen.items() if value is not None}
    _require_key(problem, fields.get("key", REQUEST_ID))
    metric = fields.setdefault("metric", metric_of(problem))
    if "loss_cap" not in fields:
        fields["loss_cap"] = cap_of(metric, _champion_metrics(settings, problem))
    if mode == "canary":
        fields.setdefault("steps", DEFAULT_STEPS)
    if mode == "ab":
        fields.setdefault("share", DEFAULT_SHARE)
    fields.setdefault("salt", uuid4().hex[:12])
    try:
        return RolloutPolicy(mode=mode, **fields)
    except ValidationError as error:
        raise BadPolicyError(f"this is no rollout policy: {_first(error)}") from error


def parse_steps(texts: Sequence[str]) -> tuple[CanaryStep, ...] | None:
    """Read steps written as `share:labels`, such as `0.05:200`; None for none.

    Raises:
        BadPolicyError: one of them is written otherwise.
    """
    try:
        pairs = [text.split(":") for text in texts]
        return tuple(CanaryStep(share=float(share), labels=int(labels)) for share, labels in pairs) or None
    except ValueError as error:
        raise BadPolicyError(f"write each step as share:labels, such as 0.05:200 ({error})") from error


def parse_fields(texts: Sequence[str]) -> dict[str, str]:
    """Read policy fields written as `name=value`, such as `alpha=0.01`.

    Raises:
        BadPolicyError: one of them is written otherwise.
    """
    pairs = [text.partition("=") for text in texts]
    wrong = [name for name, equals, _ in pairs if not equals or name not in RolloutPolicy.model_fields]
    if wrong:
        raise BadPolicyError(
            f"{wrong[0]!r} is no field of a policy; write name=value with one of "
            f"{sorted(RolloutPolicy.model_fields)}"
        )
    return {name: value for name, _, value in pairs}


def _require_key(problem: Problem, key: str) -> None:
    exact = ("string", "integer")
    known = [field.name for field in problem.entity_keys if field.dtype in exact and not field.personal]
    if key not in (REQUEST_ID, *known):
        raise BadPolicyError(
            f"{key!r} cannot decide who gets what; choose one of {[REQUEST_ID, *known]} with --key"
        )


def _champion_metrics(settings: RegistrySettings, problem: Problem) -> dict[str, float]:
    champion = current(settings, problem.name)
    if champion is None:
        raise ChallengerError(f"{problem.name} has no champion; `python -m training promote` makes one")
    return dict(read_bundle(fetch_bundle(settings, champion)).contract.metrics)


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, found['loc'])) or 'policy'}: {found['msg']}"
