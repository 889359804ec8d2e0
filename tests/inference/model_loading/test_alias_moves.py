"""The alias moves again and again under load: no request fails, each answer is all of one version."""

import threading
from functools import partial
from itertools import cycle, islice

import httpx
import pytest

from inference.settings import InferenceSettings
from tests.inference.running import ServerProcess, wait_until
from tests.inference.world import add_version, instance, set_champion, world_settings

FEW, MANY = 12, 100
LEVELS = (1.0, 2.0, 3.0)
SIZES = (1, 7, 40)
PAUSE = 0.01
# What each site's cars add to a version's level.
EXTRA = {"north": 0.125, "south": 0.0, "east": 0.124}


class Caller(threading.Thread):
    """Asks without pause; keeps the status of each answer and whatever was not as its version answers."""

    def __init__(self, url: str, size: int, levels: dict[str, float]) -> None:
        super().__init__()
        self._url, self._levels, self._done = url, levels, threading.Event()
        self._sites = list(islice(cycle(EXTRA), size))
        self.statuses: set[int] = set()
        self.versions: set[str] = set()
        self.wrong: list[object] = []
        self.answers = 0

    def run(self) -> None:
        body = {"instances": [instance(site) for site in self._sites]}
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._done.wait(PAUSE):
                self._check(client.post("/v1/predict", json=body))

    def stop(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def _check(self, response: httpx.Response) -> None:
        self.statuses.add(response.status_code)
        answers = response.json().get("predictions", [])
        versions = {answer["model_version"] for answer in answers}
        right = [
            abs(answer["prediction"] - self._levels[answer["model_version"]] - EXTRA[site]) < 1e-4
            for answer, site in zip(answers, self._sites, strict=True)
        ]
        if len(versions) != 1 or not all(right):
            self.wrong.append(answers)
        self.versions |= versions
        self.answers += len(answers)


@pytest.mark.parametrize("moves", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_the_alias_moves_again_and_again_under_load(settings: InferenceSettings, moves: int) -> None:
    quick = world_settings(settings.var, poll_seconds=0.05)
    levels = {add_version(quick, level): level for level in LEVELS}
    versions = list(levels)
    set_champion(quick, versions[0])
    server = ServerProcess(quick)
    callers = [Caller(server.url, size, levels) for size in SIZES]
    try:
        server.wait_until_ready()
        for caller in callers:
            caller.start()
        for version in islice(cycle(versions), 1, moves + 1):
            set_champion(quick, version)
            wait_until(partial(serves, server.url, version), f"version {version}", 10)
    finally:
        for caller in callers:
            caller.stop()
        server.kill()

    assert set().union(*(caller.statuses for caller in callers)) == {200}
    assert [caller.wrong for caller in callers] == [[], [], []]
    assert all(caller.versions == set(versions) for caller in callers)
    assert min(caller.answers for caller in callers) > moves


def served_version(url: str) -> str:
    return str(httpx.get(f"{url}/v1/model", timeout=30).json()["version"])


def serves(url: str, version: str) -> bool:
    return served_version(url) == version
