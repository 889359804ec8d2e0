"""Waiting for a training run, and for the running service to follow its outcome."""

import time
from collections.abc import Callable
from uuid import UUID

from experiments.errors import ReplayError
from experiments.replay.traffic import PredictionClient

FLOW_SECONDS = 900.0
FOLLOW_SECONDS = 30.0


def wait_for_flow_run(
    flow_run_id: str, require_alive: Callable[[], None], seconds: float = FLOW_SECONDS
) -> None:
    """Wait until a Prefect flow run has completed.

    Raises:
        ReplayError: it failed, crashed or took longer than `seconds`.
    """
    from prefect.client.orchestration import get_client

    deadline = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            require_alive()
            state = client.read_flow_run(UUID(flow_run_id)).state
            if state is not None and state.is_final():
                if not state.is_completed():
                    raise ReplayError(f"training run {flow_run_id} ended as {state.name}: {state.message}")
                return
            time.sleep(0.25)
    raise ReplayError(f"training run {flow_run_id} did not end within {seconds:.0f} s")


def wait_for_version(client: PredictionClient, version: str, seconds: float = FOLLOW_SECONDS) -> None:
    """Wait until the running service answers with `version`.

    Raises:
        ReplayError: it still answers with another one after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if client.served_version() == version:
            return
        time.sleep(0.1)
    raise ReplayError(f"the service did not follow the champion to version {version} within {seconds:.0f} s")
