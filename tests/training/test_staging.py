"""What a killed training leaves is ended by the next one, and what lives is left alone."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run

from contracts.registry import open_client
from tests.second_problem.problem import PROBLEM
from tests.training.conftest import BEFORE_THE_SHIFT, run_training
from training.outcome import TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings
from training.tracking import open_nested, open_run


@dataclass(frozen=True)
class DyingEstimator:
    """A family whose process is killed as it fits."""

    family: str = "dying"

    def fit(self, *given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


DYING = (DyingEstimator(),)


def train_and_die(settings: TrainingSettings) -> None:
    dying = PROBLEM.model_copy(update={"candidates": f"{__name__}:DYING"})
    train(settings, dying, TrainingRequest(as_of=BEFORE_THE_SHIFT, reason="to be killed"))


def running(settings: TrainingSettings) -> list[Run]:
    client = open_client(settings.registry)
    experiment = client.get_experiment_by_name(PROBLEM.name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'"))


def test_a_killed_training_is_ended_by_the_next_one(settings: TrainingSettings) -> None:
    # given a training that was killed: its run is open, its folder is there
    open_client(settings.registry)
    process = multiprocessing.get_context("fork").Process(target=train_and_die, args=(settings,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = running(settings)
    assert len(list(settings.registry.staging.iterdir())) == 1
    # when the next one runs
    run_training(settings, BEFORE_THE_SHIFT)
    # then nothing of it is left open
    assert not running(settings)
    assert open_client(settings.registry).get_run(left.info.run_id).info.status == "KILLED"
    assert not list(settings.registry.staging.iterdir())
    assert not list(settings.registry.locks.glob("staging-*"))


def test_a_run_that_is_under_way_is_left_alone(settings: TrainingSettings) -> None:
    with (
        open_run(settings.registry, PROBLEM, "the first", "version") as first,
        open_nested(first, "below") as below,
    ):
        (first.staging / "draft").write_text("not delivered yet")
        with open_run(settings.registry, PROBLEM, "the second", "version"):
            pass
        assert {run.info.run_id for run in running(settings)} == {first.run_id, below.run_id}
        assert (first.staging / "draft").is_file()
    assert not list(settings.registry.staging.iterdir())
