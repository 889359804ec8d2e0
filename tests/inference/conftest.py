"""A world built once in a run, copied for each test that changes it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Final

import httpx
import pytest

from inference.settings import InferenceSettings
from tests.built_once import build_once
from tests.inference.running import running_server
from tests.inference.world import add_version, build_world, set_champion, world_settings

GATEWAY: Final = ("access", "protocols", "rest", "validation")


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
def shared_services(
    built_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], httpx.Client]]:
    """What gives a running service for tests that only ask, with or without the fast path."""
    with ExitStack() as running:

        @cache
        def start(fast_path: bool) -> httpx.Client:
            var = tmp_path_factory.mktemp("shared") / "var"
            shutil.copytree(built_world, var)
            settings = world_settings(var)
            set_champion(settings, add_version(settings, 1.0))
            return running.enter_context(running_server(settings.model_copy(update={"fast_path": fast_path})))

        yield start


@pytest.fixture(scope="session")
def shared_service(
    request: pytest.FixtureRequest, shared_services: Callable[[bool], httpx.Client]
) -> httpx.Client:
    """A running service for tests that only ask."""
    return shared_services(getattr(request, "param", True))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask what is the gateway's both ways: on the fast path, and by ASGI alone."""
    if "shared_service" in metafunc.fixturenames and metafunc.definition.path.parent.name in GATEWAY:
        metafunc.parametrize(
            "shared_service", [True, False], ids=["fast-path", "asgi"], indirect=True, scope="session"
        )
