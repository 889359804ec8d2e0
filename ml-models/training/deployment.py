"""Serve the training flow under a name, so that monitoring can ask for it without importing this room."""

import asyncio
import signal
from types import FrameType

from contracts.problem import Problem
from training.errors import DeploymentError
from training.orchestrator import find_orchestrator

POLL_SECONDS = 1.0
RUNS_AT_ONCE = 1
# What every run imports, besides the problem's own candidates.
PRELOADED = (
    "training.flow",
    "training.figures",
    "features.offline.historical",
    "features.repository.feature_store",
)


def serve_deployment(problem: Problem) -> None:
    """Serve until SIGTERM or SIGINT, one run at a time, each in a process of its own that ends with this one.

    Runs inherit the environment, so that they work on the same `var` and problem.

    Raises:
        DeploymentError: PREFECT_API_URL is not set.
        OrchestratorUnavailableError: what it names does not answer.
    """
    if not find_orchestrator():
        raise DeploymentError(
            "PREFECT_API_URL is not set; set PREFECT_SERVER_API_AUTH_STRING and PREFECT_API_AUTH_STRING to a "
            "name:password, start `prefect server start`, and set it to http://127.0.0.1:4200/api"
        )
    asyncio.run(_serve(problem))


async def _serve(problem: Problem) -> None:
    from prefect.types.entrypoint import EntrypointType

    from training.flow import train_flow
    from training.preloaded_runner import PreloadedRunner

    runner = PreloadedRunner(
        [*PRELOADED, problem.candidates.partition(":")[0]],
        name=problem.name,
        query_seconds=POLL_SECONDS,
        limit=RUNS_AT_ONCE,
        pause_on_shutdown=False,
    )
    deployment = await train_flow.ato_deployment(
        problem.name,
        description=f"Train, gate and promote: {problem.title}",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    await runner.aadd_deployment(deployment)
    signal.signal(signal.SIGINT, _as_sigterm)
    await runner.start()


def _as_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    signal.raise_signal(signal.SIGTERM)
