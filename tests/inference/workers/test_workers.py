"""The service with two workers: one port, one set of figures, one log, one end."""

import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import segments
from inference.settings import InferenceSettings
from tests.inference.commanded import ServeCommand, commanded
from tests.inference.running import PATIENCE, ROOT, environment_of, wait_until
from tests.inference.world import NOON, instance

REQUESTS = 12
PRELOAD = """
import sys, threading
from inference.workers.service import preload
preload()
print(threading.active_count(), *({"onnxruntime", "torch", "feast", "grpc"} & set(sys.modules)))
"""


@pytest.fixture
def command(settings: InferenceSettings, champion: str) -> Iterator[ServeCommand]:
    """The service with two workers, ready."""
    with commanded(settings, workers=2) as started:
        yield started


def ask(url: str, **changes: object) -> None:
    """One prediction over a connection of its own, so that either worker may get it."""
    answered = httpx.post(f"{url}/v1/predict", json=instance(**changes), timeout=PATIENCE)
    assert answered.status_code == 200, answered.text


def figures(url: str) -> dict[str, float]:
    """The samples of `/metrics` whose name begins with the service's, by name and labels."""
    lines = httpx.get(f"{url}/metrics", timeout=PATIENCE).text.splitlines()
    samples = [line.rpartition(" ") for line in lines if line.startswith("roundtrip_")]
    return {name: float(value) for name, _, value in samples}


def loads(url: str) -> float:
    return figures(url)['roundtrip_model_loads_total{version="1"}']


def predictions(url: str) -> float:
    counted = figures(url).items()
    return sum(value for name, value in counted if name.startswith("roundtrip_predictions_total"))


def test_two_workers_count_log_and_end_as_one(command: ServeCommand, settings: InferenceSettings) -> None:
    # given
    for number in range(REQUESTS):
        ask(command.url, request_id=f"before-{number}")
    wait_until(lambda: predictions(command.url) == REQUESTS, "both workers' figures")
    # then: whichever worker is asked
    assert {predictions(command.url) for _ in range(8)} == {REQUESTS}
    wait_until(lambda: loads(command.url) == 2, "both workers' models")
    # when: one dies
    command.kill_a_worker(random.Random(0))
    for number in range(REQUESTS):
        ask(command.url, request_id=f"after-{number}")
    # then: what it had counted still counts
    wait_until(lambda: predictions(command.url) == 2 * REQUESTS, "the figures of both, and of the dead")
    assert figures(command.url)["roundtrip_log_lines"] == 2 * REQUESTS
    assert (
        figures(command.url)[
            'roundtrip_model_info{as_of="2024-04-30T00:00:00+00:00",family="level",'
            'name="parking",version="1"}'
        ]
        == 1
    )
    # when: all are told to end, the new one too, once it has begun
    wait_until(lambda: loads(command.url) == 3, "the new worker's model")
    status, said = command.end()
    # then
    assert status == 0, said
    assert said.count("Serving on") == 1
    assert not segments(log_folder(settings))
    assert not list((settings.var / "serving").iterdir())
    logged = read_predictions(settings, NOON, NOON + timedelta(seconds=1))["request_id"]
    assert set(logged) == {f"{when}-{number}" for when in ("before", "after") for number in range(REQUESTS)}


def test_an_open_request_is_answered_before_the_end(command: ServeCommand) -> None:
    # given: a request whose body a worker waits for
    body = json.dumps(instance(request_id="open")).encode()
    head = "POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", command.port), timeout=PATIENCE) as caller:
        caller.sendall(f"{head}content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n".encode())
        assert caller.recv(1_024).startswith(b"HTTP/1.1 100")
        assert command.process is not None
        # when
        command.process.terminate()
        wait_until(lambda: not accepts(command.port), "no new connections")
        caller.sendall(body)
        answer = caller.makefile("rb").read()
    # then: it was answered and its connection closed
    assert answer.startswith(b"HTTP/1.1 200")
    assert command.process.wait(PATIENCE) == 0


@pytest.mark.slow
def test_workers_leave_the_port_when_the_supervisor_is_killed(command: ServeCommand) -> None:
    assert command.process is not None
    command.process.kill()
    wait_until(lambda: not accepts(command.port), "a free port")


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def test_workers_are_forked_off_a_process_without_threads_or_a_model_runtime(
    settings: InferenceSettings,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELOAD],
        cwd=ROOT,
        env=environment_of(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1"]
