"""The training as the Prefect flow "train": the same steps as `training.pipeline`, each a task."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, TypeVarTuple, cast

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from contracts.deployment_name import FLOW_NAME
from contracts.problem import load_problem
from training.outcome import TrainingOutcome, TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

Inputs = TypeVarTuple("Inputs")
Answer = TypeVar("Answer")


@flow(name=FLOW_NAME, flow_run_name="as-of-{as_of}", persist_result=False)
def train_flow(
    as_of: datetime, reason: str = "asked for by hand", shuffle_labels: bool = False
) -> TrainingOutcome:
    """Train as of a moment (ISO 8601 with a zone); promote the challenger when the gate accepts it.

    The run completes when the gate has spoken, whatever it said; it fails when there was nothing to judge.
    `shuffle_labels` breaks the model on purpose: the gate should refuse it.
    """
    settings = TrainingSettings()
    request = TrainingRequest(
        as_of=as_of, reason=reason, shuffle_labels=shuffle_labels, flow_run_id=str(flow_run.id)
    )
    outcome = train(settings, load_problem(settings.problem), request, step=run_as_task)
    logger = get_run_logger()
    logger.info("version %s %s", outcome.version, "accepted" if outcome.accepted else "refused")
    for line in outcome.reasons:
        logger.info("gate: %s", line)
    for family, reason in outcome.left_out.items():
        logger.warning("%s is left out: %s", family, reason)
    return outcome


def run_as_task(name: str, function: Callable[[*Inputs], Answer], *inputs: *Inputs) -> Answer:
    """Run a step as a task. Nothing is cached or stored: the steps hand each other large frames."""
    step = _as_task(function).with_options(name=name)
    # Quoted, they are handed on as they are: Prefect would look through every frame for other tasks' futures.
    return cast("Answer", step(*map(quote, inputs)))


@cache
def _as_task(function: Callable[..., Any]) -> Task[..., Any]:
    return Task(function, cache_policy=NO_CACHE, persist_result=False)
