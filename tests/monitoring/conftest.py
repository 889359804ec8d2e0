"""Worlds to monitor, and monitors that are closed after use."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from tests.built_once import build_once
from tests.monitoring.world import build_world, world_settings

NOWHERE = "http://127.0.0.1:9/api"


@pytest.fixture(scope="session")
def untouched_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with a champion and nothing logged yet, built once and copied for each test."""
    return build_once(tmp_path_factory, "orders", lambda folder: build_world(folder / "var")) / "var"


@pytest.fixture
def settings(untouched_world: Path, tmp_path: Path) -> MonitoringSettings:
    """A world of its own; moving `var` is part of what it must bear."""
    return world_settings(copytree(untouched_world, tmp_path / "var"))


@pytest.fixture
def open_monitor() -> Iterator[Callable[[MonitoringSettings], Monitor]]:
    """Opens monitors and closes them all."""
    opened: list[Monitor] = []

    def open_one(settings: MonitoringSettings) -> Monitor:
        opened.append(Monitor(settings))
        return opened[-1]

    yield open_one
    for monitor in opened:
        monitor.close()


@pytest.fixture
def no_orchestrator() -> Iterator[None]:
    """An orchestrator's address where nothing listens."""
    with temporary_settings({PREFECT_API_URL: NOWHERE}):
        yield
