"""Nothing that runs out, and nothing unforeseen, ends what the service does in the background for good."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from features.settings import Settings
from inference.model_loading.model_follower import ModelFollower
from inference.model_loading.served_model import ServedModel
from inference.prediction_log.background_compaction import BackgroundCompaction
from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import Segment
from inference.settings import InferenceSettings
from tests.inference.logged_lines import LAYOUT, entry, sealed_files
from tests.inference.parking import PROBLEM
from tests.inference.running import is_ready, started_command, wait_until
from tests.inference.world import add_version, instance, set_champion

DESCRIPTORS = 128
SERVING = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
sys.argv[0] = "inference"
from inference.__main__ import app
app()
"""


def test_more_callers_than_descriptors_keep_the_service_from_nothing(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    newer = add_version(settings, 2.0)
    script = tmp_path / "few_descriptors.py"
    script.write_text(SERVING)
    with started_command(script, settings) as (_, url), httpx.Client(base_url=url, timeout=30) as client:
        # given a caller who is connected, and more of them than there are descriptors
        client.get("/health/live").raise_for_status()
        with ExitStack() as held:
            for _ in range(DESCRIPTORS):
                held.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))))
            # when it is still about to import what reads the registry, and the alias moves later
            assert client.get("/health/ready").status_code == 503
            wait_until(lambda: client.get("/health/ready").status_code == 200, "a model")
            client.post("/v1/predict", json=instance()).raise_for_status()
            set_champion(settings, newer)
            # then it is followed, and what was answered is sealed
            wait_until(lambda: client.get("/v1/model").json()["version"] == newer, "the new version")
            wait_until(lambda: sealed_files(settings), "sealing")
        wait_until(lambda: is_ready(url), "others being answered")


def test_sealing_goes_on_after_an_error_that_nobody_expected(tmp_path: Path) -> None:
    # given a segment that is due, and something that fails once in a way that sealing knows nothing of
    settings = Settings(var=tmp_path)
    segment = Segment.create(log_folder(settings), LAYOUT)
    segment.append([entry("a")])
    segment.close()
    unforeseen, closed = [RuntimeError("unforeseen")], [segment.path]

    def due() -> list[Path]:
        if unforeseen:
            raise unforeseen.pop()
        return [closed.pop()] if closed else []

    sealing = BackgroundCompaction(log_folder(settings), 0.4, due)
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
