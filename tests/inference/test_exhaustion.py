"""Nothing that runs out, and nothing unforeseen, ends what the service does in the background for good."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from features.settings import FeatureSettings
from inference.model_follower import ModelFollower
from inference.prediction_log.background_sealing import BackgroundSealing
from inference.prediction_log.journal import Segment
from inference.prediction_log.schema import log_folder
from inference.served_model import ServedModel
from inference.server import serve
from inference.settings import InferenceSettings
from tests.forked import fork_off
from tests.inference.logged_lines import LAYOUT, entry, sealed_files
from tests.inference.parking import PROBLEM
from tests.inference.running import free_port, is_ready, wait_until
from tests.inference.world import add_version, instance, set_champion

DESCRIPTORS = 64
CALLERS = DESCRIPTORS + 40


def serve_with_few_descriptors(settings: InferenceSettings) -> None:
    few = len(list(Path("/proc/self/fd").iterdir())) + DESCRIPTORS
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
    serve(settings)


@pytest.fixture
def url(settings: InferenceSettings, champion: str) -> Iterator[str]:
    port = free_port()
    process = fork_off(serve_with_few_descriptors, settings.model_copy(update={"serve_port": port}))
    wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "a model")
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.join()


def test_more_callers_than_descriptors_keep_the_service_from_nothing(
    settings: InferenceSettings, url: str
) -> None:
    newer = add_version(settings, 2.0)
    with httpx.Client(base_url=url, timeout=30) as client, ExitStack() as held:
        # given a caller who is connected, and more of them than there are descriptors
        client.post("/v1/predict", json=instance()).raise_for_status()
        for _ in range(CALLERS):
            held.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))))
        # when the alias moves meanwhile
        set_champion(settings, newer)
        # then it is followed, and what was answered is sealed
        wait_until(lambda: client.get("/v1/model").json()["version"] == newer, "the new version")
        wait_until(lambda: sealed_files(settings), "sealing")
    assert is_ready(url)


def test_sealing_goes_on_after_an_error_that_nobody_expected(tmp_path: Path) -> None:
    # given a segment that is due, and something that fails once in a way that sealing knows nothing of
    settings = FeatureSettings(var=tmp_path)
    segment = Segment.create(log_folder(settings), LAYOUT)
    segment.append([entry("a")])
    segment.close()
    unforeseen, closed = [RuntimeError("unforeseen")], [segment.path]

    def due() -> list[Path]:
        if unforeseen:
            raise unforeseen.pop()
        return [closed.pop()] if closed else []

    sealing = BackgroundSealing(log_folder(settings), 0.4, due)
    # when
    sealing.start([])
    # then it is said and counted, and the segment is sealed all the same
    assert "unforeseen" in wait_until(lambda: sealing.last_error, "the error being said")
    wait_until(lambda: sealed_files(settings), "sealing")
    wait_until(lambda: sealing.last_error is None, "recovery")
    assert sealing.failures == 1
    sealing.close()


def test_the_alias_is_followed_after_an_error_that_nobody_expected(
    settings: InferenceSettings, champion: str
) -> None:
    # given something that fails when the first version is served
    unforeseen = [RuntimeError("unforeseen")]

    def fail_once(_: ServedModel) -> None:
        if unforeseen:
            raise unforeseen.pop()

    follower = ModelFollower(settings, PROBLEM, on_load=fail_once)
    follower.start()
    wait_until(lambda: follower.state.failures_total == 1, "the failure being counted")
    # when the alias moves
    newer = add_version(settings, 2.0)
    set_champion(settings, newer)
    # then it is followed
    wait_until(lambda: follower.served and follower.served.version == newer, "the new version")
    follower.stop()
