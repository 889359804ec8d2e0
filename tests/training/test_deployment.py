"""The deployment: triggered by name at a real Prefect server, and taken down with everything it started."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from contracts.deployment_name import deployment_name
from contracts.promotion import recover
from contracts.registry import current, version_of_flow_run
from experiments.replay.services import talking_to
from features.settings import REPOSITORY
from tests.inference.running import wait_until
from tests.measured import measured_python
from tests.second_problem.problem import PROBLEM
from tests.second_problem.world import build_docks, dock_environment
from tests.training.conftest import AFTER_THE_SHIFT, BEFORE_THE_SHIFT
from training.settings import TrainingSettings

PATIENCE = 180.0


@contextmanager
def started(log: Path, environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, of which nothing is left afterwards."""
    paths = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "ml-models")])}
    process = subprocess.Popen(
        [*measured_python(), "-m", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **paths, **environment},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if is_group_alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def orchestrator(prefect_server: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    with talking_to(prefect_server):
        yield prefect_server


def request_run(**parameters: object) -> UUID | None:
    """Ask for a run by name; None while there is no such deployment."""
    try:
        run = run_deployment(
            deployment_name(PROBLEM.name), parameters=parameters, timeout=0, as_subflow=False
        )
    except ObjectNotFound:
        return None
    assert isinstance(run, FlowRun)
    return run.id


def state_of(run: UUID) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        return "" if state is None else state.name or ""


def wait_for_state(run: UUID, *names: str) -> str:
    return str(
        wait_until(lambda: (state_of(run) in names) and state_of(run), f"a run to be {names}", PATIENCE)
    )


def test_a_run_by_name_trains_and_the_server_takes_its_runs_with_it(
    orchestrator: Mapping[str, str], tmp_path: Path
) -> None:
    # given the deployment, served for the docks
    settings: TrainingSettings = build_docks(tmp_path / "var")
    environment = {**orchestrator, **dock_environment(settings.var)}
    with started(tmp_path / "runner.log", environment, "training", "serve") as runner:
        # when a run is asked for by name
        asked = {"as_of": BEFORE_THE_SHIFT.isoformat(), "reason": "asked for by name"}
        run = wait_until(lambda: request_run(**asked), "the deployment", PATIENCE)
        # then it trains, and what it registered is found by the run and became champion
        assert wait_for_state(run, "Completed", "Failed", "Crashed") == "Completed"
        trained = version_of_flow_run(settings.registry, PROBLEM.name, str(run))
        assert trained is not None
        assert trained.tags["reason"] == "asked for by name"
        champion = current(settings.registry, PROBLEM.name)
        assert champion is not None
        assert champion.version == trained.version
        # and when the server is told to stop while another run is going on
        second = request_run(as_of=AFTER_THE_SHIFT.isoformat(), reason="cut short")
        assert second is not None
        wait_for_state(second, "Running")
        runner.send_signal(signal.SIGTERM)
        runner.wait(PATIENCE)
        # then nothing of it is left, and the registry goes on with one champion
        wait_until(lambda: not is_group_alive(runner.pid), "the runs to end", PATIENCE)
        recover(settings.registry, PROBLEM.name)
        assert current(settings.registry, PROBLEM.name) is not None
