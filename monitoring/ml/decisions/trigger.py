"""Asking the orchestrator for a training run, by the deployment's name and at most once per decision."""

import os
from datetime import datetime
from typing import TYPE_CHECKING, cast

from contracts.deployment_name import deployment_name
from contracts.problem import Problem
from monitoring.ml.errors import TriggerError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def request_training(problem: Problem, as_of: datetime, reason: str, key: str) -> str:
    """Start the problem's training deployment and return the id of its run, without waiting for it.

    The same `key` always names the same run, so repeating a request after a crash starts nothing new.
    Training sees data as of `as_of`.

    Raises:
        TriggerError: the orchestrator cannot be reached, or has no such deployment.
    """
    load_orchestrator()
    from httpx import HTTPError
    from prefect.deployments import run_deployment
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_API_URL

    name = deployment_name(problem.name)
    if not PREFECT_API_URL.value():
        raise _trigger_error(name, ValueError("PREFECT_API_URL is not set"))
    parameters = {"as_of": as_of.isoformat(), "reason": reason}
    try:
        run = run_deployment(name, parameters=parameters, timeout=0, idempotency_key=key, as_subflow=False)
    except (PrefectException, HTTPError, OSError, ValueError) as error:
        raise _trigger_error(name, error) from error
    return str(cast("FlowRun", run).id)  # a coroutine only where an event loop runs


def load_orchestrator() -> None:
    """Import Prefect's client, which takes seconds, told to start no server and to report nothing."""
    os.environ.setdefault("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    import prefect.deployments  # noqa: F401 - loaded here so that the first request need not wait


def _trigger_error(name: str, error: Exception) -> TriggerError:
    return TriggerError(
        f"cannot start {name!r} ({error}). Start `prefect server start` and `python -m training serve`, and "
        "set PREFECT_API_URL to the server's /api and PREFECT_API_AUTH_STRING to its password; the request "
        "is made again at the next evaluation"
    )
