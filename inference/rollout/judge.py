"""The judge: look at a rollout's evidence, decide, and carry the decision out; nobody has to confirm it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import sleep
from typing import Final

from contracts.bundle.errors import BundleError
from contracts.errors import RegistryUnavailableError
from contracts.problem import Problem
from contracts.settings import RegistrySettings
from inference.prediction_log.errors import PredictionLogError
from inference.rollout.accepted_versions import start_waiting
from inference.rollout.actions import advance, end, under_way
from inference.rollout.comparison import compare
from inference.rollout.errors import NoRolloutError, RolloutError
from inference.rollout.evidence import gather_evidence
from inference.rollout.record import Entry, Figures, Rollout
from inference.rollout.verdict import Verdict, judge
from inference.settings import InferenceSettings

logger = logging.getLogger(__name__)

PASSING: Final = (RegistryUnavailableError, RolloutError, PredictionLogError, BundleError)


@dataclass(frozen=True)
class Look:
    """A rollout as it stands, what its evidence says, and what that allows."""

    rollout: Rollout
    figures: Figures
    verdict: Verdict


def look(settings: InferenceSettings, problem: Problem, as_of: datetime | None = None) -> Look | None:
    """Weigh the evidence known as of `as_of` (now unless given); None when no rollout is under way.

    Raises:
        RegistryUnavailableError, RolloutBusyError, PredictionLogError: it cannot be weighed now.
    """
    rollout = under_way(settings.registry, problem.name)
    if rollout is None:
        return None
    now = datetime.now(UTC)
    evidence = gather_evidence(settings, problem, rollout, as_of or now, now)
    figures = compare(rollout, evidence)
    return Look(rollout, figures, judge(rollout, figures))


def act(settings: RegistrySettings, problem: Problem, seen: Look) -> Entry | None:
    """Carry a verdict out; None when it is to wait, or when the rollout has moved on meanwhile."""
    verdict, rollout = seen.verdict, seen.rollout
    try:
        if verdict.action == "wait":
            return None
        if verdict.action == "advance":
            return advance(settings, problem.name, rollout, verdict.reason, seen.figures)
        return end(settings, problem.name, rollout, verdict.action, verdict.reason, seen.figures)
    except NoRolloutError as error:
        logger.info("%s", error)
        return None


def watch(
    settings: InferenceSettings, problem: Problem, seconds: float, forever: bool = False
) -> Iterator[tuple[Look, Entry | None]]:
    """Look every so many seconds and act, until no rollout is under way; each look and what came of it.

    `forever`: start what waits for its rollout instead of ending. What passes, passes: a registry that is
    away, a part of the log that is being replaced. It is said, and looked at again.
    """
    while True:
        try:
            seen = look(settings, problem)
            if seen is not None:
                yield seen, act(settings.registry, problem, seen)
            elif not forever:
                return
            else:
                start_waiting(settings.registry, problem)
        except PASSING as error:
            logger.warning("Nothing was decided, the next look is in %g s: %s", seconds, error)
        sleep(seconds)
