"""Real servers to test against: in a thread for speed, in a process where death or imports matter."""

import os
import signal
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

from inference.app import create_app
from inference.server import take_port
from inference.settings import InferenceSettings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true answer of `condition`."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} s in vain for {what}")


@contextmanager
def running_server(settings: InferenceSettings, ready: bool = True) -> Iterator[httpx.Client]:
    """A uvicorn server on a free port in this process; a client of it."""
    listening = take_port("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server")
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            if ready:
                wait_until(lambda: client.get("/health/ready").status_code == 200, "a model")
            yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


class ServerProcess:
    """`python -m inference serve` in its own process."""

    def __init__(self, settings: InferenceSettings, *prelude: str) -> None:
        """`prelude` replaces `-m inference`, for a start of its own."""
        command = [sys.executable, *(prelude or ("-m", "inference")), "serve", "--port", "0"]
        environment = environment_of(settings)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.url = self._announced()
        self.client = httpx.Client(base_url=self.url, timeout=30)
        wait_until(lambda: self.client.get("/health/live").status_code == 200, "the process")

    def _announced(self) -> str:
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if line.startswith("Serving on "):
                return line.split()[2]
        raise AssertionError("".join(seen))

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.client.get("/health/ready").status_code == 200, "a model")

    def end(self, with_signal: int = signal.SIGTERM) -> int:
        """Signal the process and wait for its end; its exit status."""
        self.process.send_signal(with_signal)
        status = self.process.wait(PATIENCE)
        self.client.close()
        return status


@contextmanager
def server_process(settings: InferenceSettings, *prelude: str) -> Iterator[ServerProcess]:
    """A server process that is gone afterwards, whatever happened."""
    server = ServerProcess(settings, *prelude)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def environment_of(settings: InferenceSettings) -> dict[str, str]:
    """The environment under which a process has these settings."""
    chosen = {
        "ROUNDTRIP_VAR": settings.var,
        "ROUNDTRIP_PROBLEM": settings.problem,
        "ROUNDTRIP_FEATURE_REPO": settings.feature_repo,
        "ROUNDTRIP_REPLAY": settings.replay,
        "ROUNDTRIP_POLL_SECONDS": settings.poll_seconds,
        "ROUNDTRIP_SEAL_SECONDS": settings.seal_seconds,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}",
    }
    return {**os.environ, **{name: str(value) for name, value in chosen.items()}}
