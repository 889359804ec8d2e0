"""Killed under load, again and again: what was acknowledged is in the log once, and nothing else is."""

import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.inference.asking import Asking
from tests.inference.commanded import commanded
from tests.inference.running import ServerProcess, free_port, wait_until
from tests.inference.world import NOON

READY_SECONDS = 10.0
LONGEST_LIFE = 0.6
# Deaths of each kind, every time and each night: the command with all its processes; a process forked off one
# with its imports done, which is back much sooner; one of two workers, which the supervisor replaces.
COMMANDS, FORKED, WORKERS = (2, 10), (3, 24), (4, 16)


def each_night(few: int, many: int) -> pytest.MarkDecorator:
    """The test with few kills, and with many each night."""
    return pytest.mark.parametrize("kills", [few, pytest.param(many, marks=pytest.mark.nightly)])


def live_a_while(asking: Asking, chosen: random.Random) -> None:
    """Let the service answer something, then go on for a random time."""
    before = len(asking.acknowledged)
    wait_until(lambda: len(asking.acknowledged) > before, "an answer")
    time.sleep(chosen.uniform(0, LONGEST_LIFE))


def check_log(settings: InferenceSettings, asking: Asking) -> None:
    """Every acknowledged prediction is in the log as it was answered, once; none was never asked for."""
    logged = read_predictions(settings, NOON, NOON + timedelta(seconds=1))
    assert logged["request_id"].is_unique
    predictions = dict(zip(logged["request_id"], logged["prediction"], strict=True))
    assert asking.acknowledged.items() <= predictions.items()
    assert predictions.keys() <= asking.sent


def kill_often(asking: Asking, kill: Callable[[], object], start: Callable[[], object], kills: int) -> None:
    chosen = random.Random(kills)
    with asking.going_on():
        for _ in range(kills):
            live_a_while(asking, chosen)
            kill()
            start()
        live_a_while(asking, chosen)


@each_night(*FORKED)
def test_a_process_that_is_killed_loses_nothing(
    settings: InferenceSettings, champion: str, kills: int
) -> None:
    kill_forked(settings, kills)


@pytest.mark.slow
@each_night(*COMMANDS)
def test_the_command_is_ready_soon_after_each_kill(
    settings: InferenceSettings, champion: str, kills: int, record_property: Callable[[str, object], None]
) -> None:
    with commanded(settings) as command:
        asking, seconds = Asking(command.port), list[float]()
        kill_often(asking, command.kill, lambda: seconds.append(command.start()), kills)
    record_property("seconds_to_ready", seconds)
    check_log(settings, asking)
    assert max(seconds) < READY_SECONDS


@pytest.mark.slow
@each_night(*WORKERS)
def test_a_worker_that_is_killed_loses_nothing_and_no_other_answer(
    settings: InferenceSettings, champion: str, kills: int
) -> None:
    with commanded(settings, workers=2) as command:
        asking, chosen = Asking(command.port), random.Random(kills)
        kill_often(asking, lambda: command.kill_a_worker(chosen), lambda: None, kills)
        status, said = command.end()
    assert status == 0, said
    assert not asking.refused, said
    check_log(settings, asking)


def kill_forked(settings: InferenceSettings, kills: int) -> None:
    port = free_port()
    servers = [ServerProcess(settings, port)]
    servers[0].wait_until_ready()

    def start() -> None:
        servers.append(ServerProcess(settings, port))
        servers[-1].wait_until_ready()

    asking = Asking(port)
    kill_often(asking, lambda: servers[-1].kill(), start, kills)
    servers[-1].kill()
    check_log(settings, asking)
