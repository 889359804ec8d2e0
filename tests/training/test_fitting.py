"""The challenger is the best candidate before the gate window; candidates load by path."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from contracts.errors import ChampionUnreadableError, UnknownMetricError
from contracts.evaluate import Evaluation
from contracts.matrix import FeatureMatrix, Floats
from contracts.registry import current, fetch_bundle, open_client, version_ref
from tests.second_problem.problem import CANDIDATES, PROBLEM
from tests.training.conftest import AFTER_THE_SHIFT, BEFORE_THE_SHIFT, TrainedWorld, run_training
from training.command import describe_outcome
from training.dataset import build_training_set
from training.errors import ParityError, TrainingError
from training.estimators.base import Dataset, FittedModel
from training.fitting import (
    Candidate,
    WindowedData,
    divide_into_windows,
    fit_candidate,
    load_candidates,
    rank_candidates,
)
from training.outcome import TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings
from training.validation import export_best, export_model, hold_gate, open_champion

LATER = AFTER_THE_SHIFT + timedelta(days=4)


@pytest.fixture(scope="module")
def windowed(world: TrainedWorld) -> WindowedData:
    return divide_into_windows(
        build_training_set(world.settings.features, PROBLEM, BEFORE_THE_SHIFT), PROBLEM
    )


@pytest.fixture(scope="module")
def model(windowed: WindowedData) -> FittedModel:
    return fit_candidate(CANDIDATES[1], windowed, seed=1)


def candidate(model: Any, rmse: float) -> Candidate:
    return Candidate(model, Evaluation(overall={"rmse": rmse}, slices={}))


def test_the_best_comes_first_and_what_has_no_figure_last() -> None:
    figures = (float("nan"), 3.0, 2.0, 2.0)
    offered = [candidate(Drifting(number), rmse) for number, rmse in enumerate(figures)]
    ranked = [one.model for one in rank_candidates(offered, PROBLEM)]
    assert ranked == [offered[number].model for number in (2, 3, 1, 0)]


def test_a_problem_with_an_unusable_metric_is_refused(model: FittedModel) -> None:
    with pytest.raises(UnknownMetricError):
        rank_candidates([candidate(model, 1.0)], PROBLEM.model_copy(update={"primary_metric": "roc_auc"}))


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

    model: Any
    family: str = "drifting"

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def predict(self, matrix: FeatureMatrix) -> Floats:
        answers: Floats = self.model.predict(matrix)
        return answers + 0.01

    def calibrate(self, calibration: Dataset) -> "Drifting":
        return Drifting(self.model.calibrate(calibration))


@dataclass(frozen=True)
class DriftingEstimator:
    """The best family of all, were it not for its export."""

    family: str = "drifting"

    def fit(self, *given: Any, **named: Any) -> Any:
        return Drifting(CANDIDATES[2].fit(*given, **named))


HALF_EXPORTABLE = (DriftingEstimator(), CANDIDATES[1])


def test_a_family_that_cannot_be_exported_is_left_out_and_the_training_goes_on(
    settings: TrainingSettings,
) -> None:
    halved = PROBLEM.model_copy(update={"candidates": f"{__name__}:HALF_EXPORTABLE"})
    # when the better one of two families fails to export
    outcome = train(settings, halved, TrainingRequest(as_of=BEFORE_THE_SHIFT, reason="half a choice"))
    # then the other one is registered, and it is said why
    assert outcome.family == "linear"
    assert "differs from the model" in outcome.left_out["drifting"]
    assert "drifting is left out: the ONNX graph" in describe_outcome(outcome)
    assert "left_out.drifting" in open_client(settings.registry).get_run(outcome.run_id).data.tags


def test_a_training_fails_where_no_family_can_be_exported(windowed: WindowedData, model: FittedModel) -> None:
    with pytest.raises(ParityError, match="no candidate can be exported"):
        export_best([candidate(Drifting(model), 1.0)], PROBLEM, windowed, seed=1)


def test_an_export_that_answers_differently_is_refused(windowed: WindowedData, model: FittedModel) -> None:
    drifting: Any = Drifting(model)
    with pytest.raises(ParityError, match="drifting"):
        export_model(drifting, PROBLEM, windowed, seed=1)


def test_a_champion_that_cannot_be_read_just_now_is_not_replaced(settings: TrainingSettings) -> None:
    # given a champion whose artifacts are away for now, and rollouts that judge what the gate accepts
    away = settings.model_copy(
        update={"registry": settings.registry.model_copy(update={"promotion": "canary"})}
    )
    champion = current(settings.registry, PROBLEM.name)
    assert champion is not None
    folder = fetch_bundle(settings.registry, champion)
    folder.rename(folder.with_name("away"))
    # when a training would beat the base rate by far
    with pytest.raises(ChampionUnreadableError, match="python -m training promote 4") as caught:
        run_training(away, LATER)
    # then it is registered as refused, and the champion stays
    assert f"champion {champion.version} cannot be read" in str(caught.value)
    assert version_ref(settings.registry, PROBLEM.name, "4").tags["gate"] == "refused"
    assert current(settings.registry, PROBLEM.name) == champion
    # and once the artifacts are back, it is compared with
    folder.with_name("away").rename(folder)
    again = run_training(settings, LATER)
    assert again.promoted
    assert again.verdict.champion is not None


def test_a_champion_that_breaks_as_it_is_scored_is_not_beaten(
    settings: TrainingSettings, windowed: WindowedData, model: FittedModel
) -> None:
    # given a champion whose graph is damaged after it was opened
    ref = version_ref(settings.registry, PROBLEM.name, "3")
    champion = open_champion(settings.registry, ref)
    (fetch_bundle(settings.registry, ref) / "model.onnx").write_bytes(b"damaged")
    # when the gate is held
    challenge = hold_gate(PROBLEM, windowed, export_model(model, PROBLEM, windowed, seed=1), champion)
    # then the base rate, which is beaten, is not enough
    assert not challenge.verdict.accepted
    assert "champion 3 cannot be read" in challenge.verdict.reasons[1]


def test_a_champion_of_features_that_are_gone_is_not_beaten(
    world: TrainedWorld, windowed: WindowedData, model: FittedModel
) -> None:
    # given a feature that the champion reads and the training set no longer has
    exported = export_model(model, PROBLEM, windowed, seed=1)
    champion = open_champion(world.settings.registry, version_ref(world.settings.registry, PROBLEM.name, "3"))
    narrower = replace(
        windowed.training_set, frame=windowed.training_set.frame.drop(columns="rides_last_day")
    )
    challenge = hold_gate(PROBLEM, replace(windowed, training_set=narrower), exported, champion)
    assert not challenge.verdict.accepted
    assert "features that are gone" in challenge.verdict.reasons[1]
    assert np.isfinite(challenge.prediction).all()


def test_a_champion_that_has_learned_from_the_gate_window_is_not_judged_there(
    world: TrainedWorld, windowed: WindowedData, model: FittedModel
) -> None:
    # given a champion of a later moment than the training
    exported = export_model(model, PROBLEM, windowed, seed=1)
    champion = open_champion(world.settings.registry, version_ref(world.settings.registry, PROBLEM.name, "3"))
    challenge = hold_gate(PROBLEM, windowed, exported, champion)
    assert not challenge.verdict.accepted
    assert "learned from rows until 2024-04-20" in challenge.verdict.reasons[1]
    # whereas one of the same moment has not seen the window
    same = open_champion(world.settings.registry, version_ref(world.settings.registry, PROBLEM.name, "1"))
    assert "learned" not in "".join(hold_gate(PROBLEM, windowed, exported, same).verdict.reasons)
