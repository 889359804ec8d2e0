"""Retraining is asked for by name at a real Prefect server, once per decision, crash or not."""

from collections.abc import Iterator, Mapping

import pandas as pd
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from experiments.replay.services import talking_to
from monitoring.ml.decisions.record import Decision
from monitoring.ml.decisions.trigger import request_training
from monitoring.ml.errors import TriggerError
from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from tests.monitoring.conftest import NOWHERE
from tests.monitoring.orders import PROBLEM, START, WEEK, draw_orders
from tests.monitoring.world import live_through


@flow(name="train")
def train(as_of: str, reason: str) -> None:
    """Stands for the training flow: only its name and parameters matter here; it never runs."""


@pytest.fixture(scope="module", autouse=True)
def _deployed(prefect_server: Mapping[str, str]) -> Iterator[None]:
    """A Prefect server with the deployment registered."""
    with talking_to(prefect_server):
        deployment = train.to_deployment(PROBLEM.name)
        assert isinstance(deployment, RunnerDeployment)
        deployment.apply()
        yield


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


def test_a_decision_starts_one_run_however_often_it_is_asked_for(settings: MonitoringSettings) -> None:
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


def test_a_request_made_in_vain_is_made_at_the_next_evaluation(settings: MonitoringSettings) -> None:
    live_through(settings, drifting_weeks())
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        _, opened = evaluate_both_weeks(settings)

    _, made = evaluate_both_weeks(settings)

    assert opened.is_open
    assert not made.is_open
    assert made.decision_id == opened.decision_id
    assert made.flow_run_id in read_runs()


def test_a_problem_that_is_not_deployed_is_named() -> None:
    unknown = PROBLEM.model_copy(update={"name": "never_deployed"})

    with pytest.raises(TriggerError, match="train/never_deployed"):
        request_training(unknown, START, "no reason", "key-1")
