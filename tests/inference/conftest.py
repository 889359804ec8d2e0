"""A world built once in a run, copied for each test that changes it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from inference.settings import InferenceSettings
from tests.built_once import build_once
from tests.inference.running import running_server
from tests.inference.world import add_version, build_world, set_champion, world_settings


@pytest.fixture(scope="session")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world without a champion."""
    return build_once(tmp_path_factory, "car-parks", lambda folder: build_world(folder / "var")) / "var"


@pytest.fixture
def settings(built_world: Path, tmp_path: Path) -> InferenceSettings:
    """A world of the test's own, at another place than where it was built."""
    var = tmp_path / "moved"
    shutil.copytree(built_world, var)
    return world_settings(var)


@pytest.fixture
def champion(settings: InferenceSettings) -> str:
    """A first champion, predicting 1 + cars / 1000."""
    version = add_version(settings, 1.0)
    set_champion(settings, version)
    return version


@pytest.fixture
def service(settings: InferenceSettings, champion: str) -> Iterator[httpx.Client]:
    """A running service with a champion."""
    with running_server(settings) as client:
        yield client


@pytest.fixture(scope="session")
def shared_service(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running service for tests that only ask."""
    var = tmp_path_factory.mktemp("shared") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var)
    set_champion(settings, add_version(settings, 1.0))
    with running_server(settings) as client:
        yield client
