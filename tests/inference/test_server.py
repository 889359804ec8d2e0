"""The service as a process: ended politely, on a busy port, without heavy libraries, unable to start."""

import signal
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from inference.errors import PortTakenError
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import segments
from inference.server import take_port
from inference.settings import InferenceSettings
from tests.inference.running import ROOT, environment_of, is_ready, started_command, wait_until
from tests.inference.world import NOON, instance
from tests.measured import measured_python

BLOCKED = ("sklearn", "xgboost", "torch", "prefect", "evidently", "matplotlib", "skl2onnx", "onnxmltools")
BLOCKER = f"""
import sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is no part of serving", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv[0] = "inference"
from inference.__main__ import app
app()
"""


@pytest.fixture
def light_start(tmp_path: Path) -> Path:
    """A script that starts the service where none of the training libraries can be imported."""
    script = tmp_path / "light_start.py"
    script.write_text(BLOCKER)
    return script


def test_it_serves_without_training_libraries_and_ends_on_sigterm(
    settings: InferenceSettings, champion: str, light_start: Path
) -> None:
    with started_command(light_start, settings) as (process, url):
        wait_until(lambda: is_ready(url), "a model")
        answered = httpx.post(f"{url}/v1/predict", json=instance(request_id="polite"))
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)

    assert answered.status_code == 200, answered.text
    assert process.returncode == 0, said
    assert not segments(log_folder(settings))
    logged = read_predictions(settings, NOON, NOON + timedelta(seconds=1))
    assert logged["request_id"].tolist() == ["polite"]


def test_a_busy_port_is_named() -> None:
    with take_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTakenError, match=rf"port {port} .*--port"):
            take_port("127.0.0.1", port)


def test_the_command_says_that_the_port_is_busy(settings: InferenceSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        command = [*measured_python(), "-m", "inference", "serve", "--port", str(port)]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment_of(settings), capture_output=True, text=True, timeout=60
        )

    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_service_that_cannot_start_ends_with_1(settings: InferenceSettings, workers: int) -> None:
    # given: its gRPC port is busy, which shows while the application starts
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        environment = environment_of(settings) | {"ROUNDTRIP_GRPC_PORT": str(taken.getsockname()[1])}
        command = [*measured_python(), "-m", "inference", "serve", "--port", "0", "--workers", str(workers)]
        # when
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
    # then
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert "said above" in ended.stderr
    assert "Serving on" not in ended.stdout
