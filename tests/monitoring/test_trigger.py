"""Retraining is asked for by name at a real Prefect server, once per decision, crash or not."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from experiments.processes import free_port
from monitoring.ml.decisions import Decision
from monitoring.ml.errors import TriggerError
from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.trigger import deployment_name, request_training
from tests.monitoring.conftest import NOWHERE
from tests.monitoring.orders import PROBLEM, START, WEEK, draw_orders
from tests.monitoring.world import live_through
from training.deployment import deployment_name as served_name

READY_SECONDS = 120


@flow(name="train")
def train(as_of: str, reason: str) -> None:
    """Stands for the training flow: only its name and parameters matter here; it never runs."""


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server of its own, with the deployment registered."""
    port = free_port(4210)
    url = f"http://127.0.0.1:{port}/api"
    home = tmp_path_factory.mktemp("prefect")
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-services",
        ],
        env={**os.environ, "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        stdout=(home / "server.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until_ready(url, server)
        with temporary_settings({PREFECT_API_URL: url}):
            train.to_deployment(PROBLEM.name).apply()
            yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the Prefect server did not come up")


def read_runs() -> dict[str, dict[str, object]]:
    with get_client(sync_client=True) as client:
        return {str(run.id): run.parameters for run in client.read_flow_runs()}


def drifting_weeks() -> list[pd.DataFrame]:
    return [draw_orders(START + number * WEEK, 900, seed=number, bigger=1.5) for number in range(2)]


def evaluate_both_weeks(settings: MonitoringSettings) -> list[Decision]:
    monitor = Monitor(settings)
    try:
        return [monitor.evaluate(START + (number + 1) * WEEK) for number in range(2)]
    finally:
        monitor.close()


def test_a_decision_starts_one_run_however_often_it_is_asked_for(
    orchestrator: str, settings: MonitoringSettings
) -> None:
    live_through(settings, drifting_weeks())
    before = read_runs()

    _, decision = evaluate_both_weeks(settings)

    assert decision.verdict == "retrain"
    assert decision.flow_run_id is not None
    started = {run: given for run, given in read_runs().items() if run not in before}
    assert started == {
        decision.flow_run_id: {"as_of": decision.as_of.isoformat(), "reason": "; ".join(decision.reasons)}
    }

    # A crash between the request and its record leaves the line before: the decision, still open.
    lines = settings.decisions_file.read_text().splitlines(keepends=True)
    settings.decisions_file.write_text("".join(lines[:-1]))
    assert evaluate_both_weeks(settings)[1] == decision
    assert len(read_runs()) == len(before) + 1


def test_a_request_made_in_vain_is_made_at_the_next_evaluation(
    orchestrator: str, settings: MonitoringSettings
) -> None:
    live_through(settings, drifting_weeks())
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        _, opened = evaluate_both_weeks(settings)

    _, made = evaluate_both_weeks(settings)

    assert opened.is_open
    assert not made.is_open
    assert made.decision_id == opened.decision_id
    assert made.flow_run_id in read_runs()


def test_a_problem_that_is_not_deployed_is_named(orchestrator: str) -> None:
    unknown = PROBLEM.model_copy(update={"name": "never_deployed"})

    with pytest.raises(TriggerError, match="train/never_deployed"):
        request_training(unknown, START, "no reason", "key-1")


def test_training_is_asked_for_under_the_name_it_is_served_by() -> None:
    assert deployment_name(PROBLEM.name) == served_name(PROBLEM.name)
