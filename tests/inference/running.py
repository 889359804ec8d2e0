"""Real servers to test against: in a thread for speed, in a process where death or imports matter."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from experiments import processes
from inference.app import create_app
from inference.serve import serve
from inference.server import connection_class, take_port
from inference.settings import InferenceSettings
from tests.forked import fork_off

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
SAYS_JSON = {"content-type": "application/json"}


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of `condition`."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {patience} s in vain for {what}")


@contextmanager
def running_server(settings: InferenceSettings, ready: bool = True) -> Iterator[httpx.Client]:
    """A uvicorn server on a free port in this process; a client of it, whose bodies are JSON."""
    listening = take_port("127.0.0.1", 0)
    app = create_app(settings)
    http = connection_class(app, settings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", http=http))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, headers=SAYS_JSON, timeout=30) as client:
            if ready:
                wait_until(lambda: client.get("/health/ready").status_code == 200, "a model")
            yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def list_warnings(client: httpx.Client) -> list[str]:
    """What `/health/ready` says that does not work."""
    return [warning["message"] for warning in client.get("/health/ready").json()["warnings"]]


def free_port() -> int:
    """A port that nothing listens on, and that nobody else is given for now."""
    return processes.free_port(0)


class ServerProcess:
    """A server in its own process, which can be killed; forked off one that has its imports done."""

    def __init__(self, settings: InferenceSettings, port: int | None = None) -> None:
        port = port or free_port()
        chosen = settings.model_copy(update={"serve_port": port})
        self.process = fork_off(serve, chosen)
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_ready(self) -> None:
        wait_until(lambda: is_ready(self.url), "a model")

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.join()


@contextmanager
def process_client(settings: InferenceSettings) -> Iterator[httpx.Client]:
    """A client of a service in a process of its own: gRPC's event loops in one process disturb each other."""
    server = ServerProcess(settings)
    try:
        server.wait_until_ready()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            yield client
    finally:
        server.kill()


def is_live(url: str) -> bool:
    """Whether a service answers there, with a model or without."""
    try:
        return httpx.get(f"{url}/health/live", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def is_ready(url: str) -> bool:
    """Whether a service answers there with a model."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def started_command(script: Path, settings: InferenceSettings) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`script serve` as a process that has announced where it serves, and that address; gone afterwards."""
    command = [sys.executable, str(script), "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, _announced(process)
    finally:
        process.kill()
        process.wait()


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("Serving on "):
            return line.split()[2]
    raise AssertionError("".join(seen))


def environment_of(settings: InferenceSettings) -> dict[str, str]:
    """The environment under which a process has these settings."""
    chosen = {
        "ROUNDTRIP_VAR": settings.var,
        "ROUNDTRIP_PROBLEM": settings.problem,
        "ROUNDTRIP_FEATURE_REPO": settings.features.feature_repo,
        "ROUNDTRIP_REPLAY": settings.replay,
        "ROUNDTRIP_POLL_SECONDS": settings.poll_seconds,
        "ROUNDTRIP_SEAL_SECONDS": settings.seal_seconds,
        "PYTHONFAULTHANDLER": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}",
    }
    return {**os.environ, **{name: str(value) for name, value in chosen.items()}}
