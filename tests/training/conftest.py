"""A trained world, made once in a run; each test that asks for `settings` gets a copy of its own."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.built_once import build_once
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import START
from tests.second_problem.world import build_docks, dock_settings
from training.outcome import TrainingOutcome, TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

BEFORE_THE_SHIFT = START + timedelta(days=30)
AFTER_THE_SHIFT = START + timedelta(days=55)
# In the order of `TrainedWorld`: the moment, and whether labels are shuffled.
TRAININGS = {
    "first": (BEFORE_THE_SHIFT, False),
    "shuffled": (BEFORE_THE_SHIFT, True),
    "second": (AFTER_THE_SHIFT, False),
}


@dataclass(frozen=True)
class TrainedWorld:
    """What three trainings left: accepted, refused (shuffled labels), accepted."""

    settings: TrainingSettings
    first: TrainingOutcome
    shuffled: TrainingOutcome
    second: TrainingOutcome


def run_training(settings: TrainingSettings, as_of: datetime, shuffle: bool = False) -> TrainingOutcome:
    request = TrainingRequest(as_of=as_of, reason=f"test {as_of:%d %B}", shuffle_labels=shuffle)
    return train(settings, PROBLEM, request)


def train_docks(folder: Path) -> None:
    """Build the docks and train three times; what came of each lies beside them."""
    settings = build_docks(folder / "var")
    for name, (as_of, shuffle) in TRAININGS.items():
        outcome = run_training(settings, as_of, shuffle)
        (folder / f"{name}.json").write_text(outcome.model_dump_json())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> TrainedWorld:
    folder = build_once(tmp_path_factory, "docks", train_docks)
    outcomes = (
        TrainingOutcome.model_validate_json((folder / f"{name}.json").read_bytes()) for name in TRAININGS
    )
    return TrainedWorld(dock_settings(folder / "var"), *outcomes)


@pytest.fixture
def settings(world: TrainedWorld, tmp_path: Path) -> TrainingSettings:
    shutil.copytree(world.settings.var, tmp_path / "moved")
    return dock_settings(tmp_path / "moved")
