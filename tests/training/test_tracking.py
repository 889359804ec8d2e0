"""What a training leaves in MLflow, read back through its client."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from contracts.registry import bundle_location, open_client
from tests.second_problem.problem import CANDIDATES, PROBLEM
from tests.second_problem.tables import START
from tests.training.conftest import TrainedWorld, run_training
from training.errors import EmptyWindowError, TrainingError
from training.provenance import code_version
from training.settings import TrainingSettings
from training.tracking import PARENT_TAG, open_run


@pytest.fixture(scope="module")
def client(world: TrainedWorld) -> MlflowClient:
    return open_client(world.settings.registry)


@pytest.fixture(scope="module")
def run(world: TrainedWorld, client: MlflowClient) -> Run:
    return client.get_run(world.second.run_id)


def artifacts(world: TrainedWorld, run: Run) -> Path:
    return world.settings.registry.artifact_root / bundle_location(run.info.artifact_uri)


def test_the_run_tells_what_was_asked_and_found(run: Run, world: TrainedWorld) -> None:
    assert run.info.status == "FINISHED"
    assert run.data.params["as_of"] == world.second.as_of.isoformat()
    assert run.data.tags["gate"] == "accepted"
    assert run.data.tags["gate_reasons"].splitlines() == list(world.second.reasons)
    assert run.data.metrics["rmse"] == pytest.approx(world.second.metrics["rmse"])
    assert world.second.verdict.champion is not None
    assert run.data.metrics["champion/rmse"] == pytest.approx(world.second.verdict.champion["rmse"])
    assert run.data.metrics["slices/station/quay/rmse"] > 0
    assert run.data.tags["mlflow.source.git.commit"]


def test_the_data_set_is_the_runs_input(run: Run) -> None:
    assert run.inputs is not None
    (logged,) = run.inputs.dataset_inputs
    fingerprint = run.data.params["data_fingerprint"]
    assert fingerprint.startswith(logged.dataset.digest)
    assert logged.dataset.profile is not None
    assert json.loads(logged.dataset.profile)["fingerprint"] == fingerprint


def test_figures_environment_and_bundle_are_there(run: Run, world: TrainedWorld) -> None:
    root = artifacts(world, run)
    drawn = {path.stem for path in (root / "figures").iterdir()}
    assert drawn == {"label_by_prediction", "predictions", "residuals", "slices_station"}
    assert "scikit-learn==" in (root / "environment" / "installed.txt").read_text()
    assert (root / "bundle" / "contract.json").is_file()
    assert not list((world.settings.var / "staging").iterdir())


def test_each_candidate_has_a_run_below(client: MlflowClient, run: Run) -> None:
    found = client.search_runs([run.info.experiment_id], f"tags.`{PARENT_TAG}` = '{run.info.run_id}'")
    assert {each.info.run_name for each in found} == {estimator.family for estimator in CANDIDATES}
    assert all("calibration/rmse" in each.data.metrics for each in found)


def test_a_training_that_fails_leaves_a_failed_run_and_the_champion(settings: TrainingSettings) -> None:
    client = open_client(settings.registry)
    before = client.get_registered_model(PROBLEM.name).aliases
    with pytest.raises(EmptyWindowError):
        run_training(settings, START)
    experiment = client.get_experiment_by_name(PROBLEM.name)
    assert experiment is not None
    newest = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"], max_results=1)[0]
    assert newest.info.status == "FAILED"
    assert client.get_registered_model(PROBLEM.name).aliases == before


def test_an_experiment_tied_to_a_place_is_refused(settings: TrainingSettings, tmp_path: Path) -> None:
    # given an experiment that keeps absolute paths
    tied = PROBLEM.model_copy(update={"name": "tied_down"})
    open_client(settings.registry).create_experiment(tied.name, str(tmp_path / "elsewhere"))
    # when a run is opened in it, then it is refused: it would not survive a move
    with pytest.raises(TrainingError, match="survive"), open_run(settings.registry, tied, "run", "version"):
        pass


def test_the_code_version_without_git_is_the_packages(tmp_path: Path) -> None:
    assert code_version(tmp_path).startswith("roundtrip ")
