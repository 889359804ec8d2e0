"""The Prefect server of the tests that need one."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from experiments.processes import Supervisor, free_port
from experiments.replay.services import orchestrator_environment

PATIENCE = 180.0


@contextmanager
def running_orchestrator(home: Path) -> Iterator[Mapping[str, str]]:
    """A server on loopback; what a process must be told to find it."""
    port = free_port(4230)
    url = f"http://127.0.0.1:{port}"
    environment = {"PREFECT_HOME": str(home), **orchestrator_environment(port)}
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-services")
    command = [sys.executable, "-m", "prefect", "server", "start", *options]
    with Supervisor(home) as supervisor:
        supervisor.start("server", command, environment, url).wait_for_answer("/api/health", PATIENCE)
        yield environment
