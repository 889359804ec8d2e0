"""The registry, the online store and the log's folder go away under load and come back: answers go on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import segments
from inference.settings import InferenceSettings
from tests.features.online_servers import RedisServer
from tests.inference.asking import Asking
from tests.inference.outages import LockedDatabase, MovedAway, Outage, RegistryServer
from tests.inference.prediction_log.test_crash import check_log
from tests.inference.running import ServerProcess, free_port, list_warnings, wait_until
from tests.inference.world import add_version, build_world, fill_online_store, set_champion, world_settings

BRIEF, LONG = 3.0, 30.0
RECOVERY_SECONDS = 10.0
for_a_while = pytest.mark.parametrize("seconds", [BRIEF, pytest.param(LONG, marks=pytest.mark.nightly)])


class RedisAway:
    """A Redis that is killed, and comes back with what was in it."""

    def __init__(self, server: RedisServer, settings: InferenceSettings) -> None:
        self._server, self._settings = server, settings

    def begin(self) -> None:
        self._server.stop()

    def end(self) -> None:
        self._server.start()
        fill_online_store(self._settings)


@dataclass(frozen=True)
class Outlived:
    """What callers met with, before, during and after an outage, and what the service said of it."""

    asking: Asking
    warning: str
    during: set[str]
    after: set[str]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


def warnings(url: str) -> list[str]:
    with httpx.Client(base_url=url, timeout=30) as client:
        return list_warnings(client)


def answer_on(asking: Asking) -> None:
    """Wait for some more answers."""
    before = len(asking.acknowledged)
    wait_until(lambda: len(asking.acknowledged) > before + 5, "answers", RECOVERY_SECONDS)


def outlive(
    settings: InferenceSettings, outage: Outage, seconds: float, over: Callable[[], bool] = lambda: True
) -> Outlived:
    """Serve, take something away for so long and bring it back; `over`: when all traces of it are gone."""
    server = ServerProcess(settings, port := free_port())
    asking = Asking(port)
    try:
        server.wait_until_ready()
        with asking.going_on():
            answer_on(asking)
            outage.begin()
            ends, before = time.monotonic() + seconds, set(asking.acknowledged)
            wait_until(lambda: warnings(server.url), "the outage being said")
            time.sleep(max(0.0, ends - time.monotonic()))
            [warning, *_] = warnings(server.url)  # the first may be of what was under way as it began
            during = set(asking.acknowledged) - before
            outage.end()
            wait_until(lambda: not warnings(server.url) and over(), "recovery", RECOVERY_SECONDS)
            known = set(asking.acknowledged)
            answer_on(asking)
        check_log(settings, asking)
    finally:
        server.kill()
    return Outlived(asking, warning, during, set(asking.acknowledged) - known)


def check_answers_went_on(outlived: Outlived, seconds: float) -> None:
    assert outlived.asking.refused == []
    assert len(outlived.during) > seconds
    assert outlived.after


@for_a_while
def test_the_registry_is_gone(settings: InferenceSettings, champion: str, seconds: float) -> None:
    assert settings.registry.tracking_db is not None

    outlived = outlive(settings, MovedAway(settings.registry.tracking_db), seconds)

    check_answers_went_on(outlived, seconds)
    assert "registry" in outlived.warning
    assert not outlived.asking.degraded


@pytest.mark.slow
@for_a_while
def test_the_registry_is_locked(settings: InferenceSettings, champion: str, seconds: float) -> None:
    assert settings.registry.tracking_db is not None

    outlived = outlive(settings, LockedDatabase(settings.registry.tracking_db), seconds)

    check_answers_went_on(outlived, seconds)
    assert "registry" in outlived.warning


@pytest.mark.slow
@for_a_while
def test_the_registry_server_is_killed(settings: InferenceSettings, champion: str, seconds: float) -> None:
    assert settings.registry.tracking_db is not None
    server = RegistryServer(settings.registry.tracking_db, settings.registry.artifact_root)
    server.end()
    try:
        outlived = outlive(world_settings(settings.var, tracking_uri=server.uri), server, seconds)
    finally:
        server.begin()

    check_answers_went_on(outlived, seconds)
    assert "registry" in outlived.warning


@for_a_while
def test_the_online_store_is_killed(tmp_path: Path, redis_server: RedisServer, seconds: float) -> None:
    settings = build_world(tmp_path / "var", online_store=redis_server.address)
    set_champion(settings, add_version(settings, 1.0))

    outlived = outlive(settings, RedisAway(redis_server, settings), seconds)

    check_answers_went_on(outlived, seconds)
    assert str(redis_server.port) in outlived.warning
    # what was on its way when the store went may still have been answered from it, and so after
    assert len(outlived.during - outlived.asking.degraded) <= 10
    assert not outlived.after & outlived.asking.degraded


@for_a_while
def test_the_log_is_gone_with_another_folder_at_hand(
    settings: InferenceSettings, champion: str, tmp_path: Path, seconds: float
) -> None:
    fallback = tmp_path / "fallback"
    chosen = settings.model_copy(update={"log_fallback": fallback})

    outlived = outlive(chosen, MovedAway(log_folder(settings)), seconds, over=lambda: not segments(fallback))

    check_answers_went_on(outlived, seconds)
    assert str(fallback) in outlived.warning


@for_a_while
def test_the_log_is_gone_and_nothing_is_answered_that_would_not_be_in_it(
    settings: InferenceSettings, champion: str, seconds: float
) -> None:
    outlived = outlive(settings, MovedAway(log_folder(settings)), seconds)

    assert outlived.asking.refused
    assert all("log_unavailable" in refusal for refusal in outlived.asking.refused)
    assert "nothing is answered" in outlived.warning
    assert outlived.after
