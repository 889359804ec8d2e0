"""The challenger is the best candidate before the gate window; candidates load by path."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.second_problem.problem import CANDIDATES, PROBLEM
from tests.training.conftest import BEFORE_THE_SHIFT, TrainedWorld
from training.challenge import export_model, hold_gate, open_champion
from training.dataset import build_training_set
from training.errors import ParityError, TrainingError, UnknownMetricError
from training.estimators.base import FittedModel
from training.evaluate import Evaluation
from training.fitting import (
    Candidate,
    WindowedData,
    choose_challenger,
    divide_into_windows,
    fit_candidate,
    load_candidates,
)
from training.matrix import FeatureMatrix, Floats
from training.registry import fetch_bundle, version_ref
from training.settings import TrainingSettings


@pytest.fixture(scope="module")
def windowed(world: TrainedWorld) -> WindowedData:
    return divide_into_windows(build_training_set(world.settings, PROBLEM, BEFORE_THE_SHIFT), PROBLEM)


@pytest.fixture(scope="module")
def model(windowed: WindowedData) -> FittedModel:
    return fit_candidate(CANDIDATES[1], windowed, seed=1)


def candidate(model: FittedModel, rmse: float) -> Candidate:
    return Candidate(model, Evaluation(overall={"rmse": rmse}, slices={}))


def test_the_best_is_chosen_and_the_first_of_equals(model: FittedModel) -> None:
    offered = [candidate(model, rmse) for rmse in (3.0, float("nan"), 2.0, 2.0)]
    assert choose_challenger(offered, PROBLEM) is offered[2]


def test_a_problem_with_an_unusable_metric_is_refused(model: FittedModel) -> None:
    with pytest.raises(UnknownMetricError):
        choose_challenger([candidate(model, 1.0)], PROBLEM.model_copy(update={"primary_metric": "roc_auc"}))


@pytest.mark.parametrize(
    "path", ["no_such_module:CANDIDATES", "training.fitting:MISSING", "training", "tests.training:__path__x"]
)
def test_candidates_that_are_not_there_say_how_to_write_it(path: str) -> None:
    with pytest.raises(TrainingError, match=r"package\.module:NAME"):
        load_candidates(path)


def test_no_candidates_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least one"):
        load_candidates(f"{__name__}:NONE")


NONE: tuple[()] = ()


@dataclass(frozen=True)
class Drifting:
    """A model whose export is not what it answers."""

    model: FittedModel
    family: str = "drifting"

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def predict(self, matrix: FeatureMatrix) -> Floats:
        return self.model.predict(matrix) + 0.01


def test_an_export_that_answers_differently_is_refused(windowed: WindowedData, model: FittedModel) -> None:
    drifting: Any = Drifting(model)
    with pytest.raises(ParityError, match="drifting"):
        export_model(drifting, windowed, seed=1)


def test_a_champion_that_cannot_be_opened_is_reported_and_not_a_rival(
    settings: TrainingSettings, windowed: WindowedData, model: FittedModel
) -> None:
    # given a champion whose graph was damaged
    ref = version_ref(settings, PROBLEM.name, "3")
    (fetch_bundle(settings, ref) / "model.onnx").write_bytes(b"damaged")
    # when the gate is held
    challenge = hold_gate(
        PROBLEM, windowed, export_model(model, windowed, seed=1), open_champion(settings, ref)
    )
    # then the base rate is the only rival, and the reasons say why
    assert challenge.verdict.champion is None
    assert "champion 3 cannot be opened" in challenge.verdict.reasons[-1]


def test_a_champion_of_other_features_is_reported(
    world: TrainedWorld, windowed: WindowedData, model: FittedModel
) -> None:
    # given a feature that the champion reads and the training set no longer has
    exported = export_model(model, windowed, seed=1)
    champion = open_champion(world.settings, version_ref(world.settings, PROBLEM.name, "3"))
    narrower = replace(
        windowed.training_set, frame=windowed.training_set.frame.drop(columns="rides_last_day")
    )
    challenge = hold_gate(PROBLEM, replace(windowed, training_set=narrower), exported, champion)
    assert challenge.verdict.champion is None
    assert "features that are gone" in challenge.verdict.reasons[-1]
    assert np.isfinite(challenge.prediction).all()
