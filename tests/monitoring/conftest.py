"""Worlds to monitor, and monitors that are closed after use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from tests.monitoring.world import build_world


@pytest.fixture
def settings(tmp_path: Path) -> MonitoringSettings:
    """A world with a champion and nothing logged yet."""
    return build_world(tmp_path / "var")


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
def no_orchestrator(monkeypatch: pytest.MonkeyPatch) -> None:
    """An orchestrator's address where nothing listens."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
