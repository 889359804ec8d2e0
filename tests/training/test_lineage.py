"""Trainings in lineage: accepted, refused, failed; and one whose record could not be kept."""

from uuid import UUID

import pytest

from contracts.registry import open_client
from features.lineage.graph import read_graph
from features.lineage.names import Dataset, model_version
from tests.features.lineage_events import read_events, revive
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import START
from tests.training.conftest import BEFORE_THE_SHIFT, TrainedWorld, run_training
from training.errors import EmptyWindowError
from training.settings import TrainingSettings

PROJECT = "dock_demand"
JOB = f"train_{PROBLEM.name}"
SERVICE = Dataset(PROJECT, PROBLEM.feature_service)


def test_every_training_leads_from_its_service_to_its_version(world: TrainedWorld) -> None:
    graph = read_graph(world.settings.features.lineage_file)
    for outcome, gate in ((world.first, "accepted"), (world.shuffled, "refused"), (world.second, "accepted")):
        step = graph.made_by(model_version(PROBLEM.name, outcome.version))
        assert step is not None
        assert step.job == JOB
        assert UUID(step.run_id) == UUID(outcome.run_id)
        assert {SERVICE, Dataset(PROJECT, "examples_table"), Dataset(PROJECT, "outcomes_table")} == set(
            step.inputs
        )
        assert step.tags["gate"] == gate
        assert step.tags["as_of"] == outcome.as_of.isoformat()


def test_the_version_of_the_service_is_the_fingerprint_that_mlflow_keeps(world: TrainedWorld) -> None:
    step = read_graph(world.settings.features.lineage_file).made_by(
        model_version(PROBLEM.name, world.first.version)
    )
    run = open_client(world.settings.registry).get_run(world.first.run_id)
    assert step is not None
    assert step.versions[SERVICE] == run.data.params["data_fingerprint"]


def test_the_events_are_ones_that_openlineage_knows(world: TrainedWorld) -> None:
    for event in read_events(world.settings.features.lineage_file):
        assert revive(event).job.name == event["job"]["name"]


def test_a_training_that_fails_says_why_and_made_nothing(settings: TrainingSettings) -> None:
    with pytest.raises(EmptyWindowError):
        run_training(settings, START)
    last = read_events(settings.features.lineage_file)[-1]
    assert (last["job"]["name"], last["eventType"]) == (JOB, "FAIL")
    assert "choose a later as_of" in last["run"]["facets"]["errorMessage"]["message"]
    assert not last["outputs"]


def test_a_training_whose_record_cannot_be_kept_goes_on(
    settings: TrainingSettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.features.lineage_file.unlink()
    settings.features.lineage_file.mkdir()
    outcome = run_training(settings, BEFORE_THE_SHIFT)
    assert outcome.version
    assert "lineage could not be recorded" in caplog.text
