"""A trained world, made once; each test that asks for `settings` gets a copy in a folder of its own."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import START
from tests.second_problem.world import build_docks, dock_settings
from training.outcome import TrainingOutcome, TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

BEFORE_THE_SHIFT = START + timedelta(days=30)
AFTER_THE_SHIFT = START + timedelta(days=55)


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


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> TrainedWorld:
    settings = build_docks(tmp_path_factory.mktemp("docks") / "var")
    return TrainedWorld(
        settings,
        first=run_training(settings, BEFORE_THE_SHIFT),
        shuffled=run_training(settings, BEFORE_THE_SHIFT, shuffle=True),
        second=run_training(settings, AFTER_THE_SHIFT),
    )


@pytest.fixture
def settings(world: TrainedWorld, tmp_path: Path) -> TrainingSettings:
    shutil.copytree(world.settings.var, tmp_path / "moved")
    return dock_settings(tmp_path / "moved")
