"""Asked three times what it can answer: nothing is lost or miscounted, the rest is told to come again."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from experiments.benchmarks.http_serving.load import Step
from experiments.benchmarks.http_serving.open_load import OpenLoad
from experiments.benchmarks.http_serving.tally import Load
from inference.prediction.admission import QUIET_SECONDS, UNDISPUTED
from inference.settings import InferenceSettings
from tests.inference.loading import load_closed, load_open, step_of
from tests.inference.running import ServerProcess
from tests.inference.world import add_version, set_champion, world_settings

OVERLOAD, ROUNDS, MOST_ROUNDS = 3.0, 3, 8
MOST_MEMORY = 64 * 2**20
# Enough to keep the service busy with less than this machine can send.
INSTANCES = 48


class Loaded:
    """A served process with the loads that it was given, and what they came to."""

    def __init__(self, server: ServerProcess, step: Step, folder: Path) -> None:
        self.server, self._step, self._folder = server, step, folder

    def closed(self, connections: int, seconds: float) -> Load:
        return load_closed(self._step, connections, seconds, self._folder)

    def open(self, rate: float, seconds: float) -> OpenLoad:
        """An open-loop load whose every request was answered, rightly or with when to come again."""
        load = load_open(self._step, rate, seconds, self._folder)
        assert set(load.statuses) <= {200, 503}
        assert sum(load.statuses.values()) == load.asked
        assert (load.wrong, load.unsaid) == (0, 0)
        return load

    def pressed(self, rate: float, seconds: float) -> Iterator[OpenLoad]:
        """Some rounds at this rate; at more, and more of them, where it turns out to be no overload.

        What can be answered is little while another process has the core, and more a moment later.
        """
        refused = False
        for done in range(MOST_ROUNDS):
            if refused and done >= ROUNDS:
                return
            yield (load := self.open(rate, seconds))
            refused = refused or 503 in load.statuses
            rate *= 1 if refused else 2

    def memory(self) -> int:
        """The process' resident bytes."""
        command = ["ps", "-o", "rss=", "-p", str(self.server.process.pid)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) * 1024

    def counted(self, name: str) -> float:
        """The sum of a counter over its labels."""
        lines = httpx.get(f"{self.server.url}/metrics", timeout=30).text.splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} "))
        )


@pytest.fixture(scope="module")
def settings(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("overloaded") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var, seal_seconds=30.0, poll_seconds=1.0, inline_items=1_000)
    set_champion(settings, add_version(settings, 1.0))
    return settings


@pytest.fixture(scope="module")
def loaded(settings: InferenceSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    server = ServerProcess(settings)
    try:
        server.wait_until_ready()
        step = step_of(int(server.url.rpartition(":")[2]), INSTANCES)
        yield Loaded(server, step, tmp_path_factory.mktemp("plans"))
    finally:
        server.kill()


@pytest.mark.parametrize("seconds", [1.0, pytest.param(8.0, marks=pytest.mark.nightly)])
def test_three_times_what_can_be_answered(loaded: Loaded, seconds: float) -> None:
    # given
    capacity = loaded.closed(32, 1.5).rate
    predictions, memory = loaded.counted("roundtrip_predictions_total"), loaded.memory()
    refusals = loaded.counted("roundtrip_refusals_total")
    # when
    pressed = list(loaded.pressed(OVERLOAD * capacity, seconds))
    # then
    answered = sum(load.statuses.get(200, 0) for load in pressed)
    assert loaded.counted("roundtrip_predictions_total") - predictions == answered * INSTANCES
    refused = sum(load.statuses.get(503, 0) for load in pressed)
    assert loaded.counted("roundtrip_refusals_total") - refusals == refused > 0
    assert loaded.memory() - memory < MOST_MEMORY
    assert all(load.statuses.get(200, 0) for load in pressed)
    # when: it is over, and nobody was refused for a while
    time.sleep(2 * QUIET_SECONDS)
    after = loaded.closed(UNDISPUTED, 0.5)
    # then: as many callers as wait for their answers are all answered
    assert set(after.statuses) == {200}
