"""The Prefect server of the tests that need one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from experiments.processes import free_port

PATIENCE = 180.0


@contextmanager
def running_orchestrator(home: Path) -> Iterator[Mapping[str, str]]:
    """A server on loopback; what a process must be told to find it."""
    port = free_port(4230)
    url = f"http://127.0.0.1:{port}/api"
    environment = {"PREFECT_HOME": str(home), "PREFECT_API_URL": url}
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-services")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", *options],
        env={**os.environ, **environment},
        stdout=(home / "server.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for_server(url, server)
        yield environment
    finally:
        server.terminate()
        server.wait(PATIENCE)


@contextmanager
def talking_to(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process's Prefect client talk to that server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings  # takes seconds, which few tests need

    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}):
        yield


def wait_for_server(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until it answers, and no longer than it lives."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the Prefect server did not come up")
