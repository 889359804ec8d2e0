"""Things that a service leans on, to be taken away and brought back while it is asked."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

import httpx
import uvicorn

from tests.forked import fork_off
from tests.inference.running import free_port, wait_until


class Outage(Protocol):
    """Something that can be away."""

    def begin(self) -> None:
        """Take it away."""

    def end(self) -> None:
        """Bring it back as it was."""


class MovedAway:
    """A file or a folder that is elsewhere for a while, with a file of no use in its place."""

    def __init__(self, path: Path) -> None:
        self._path, self._kept = path, path.with_name(f"{path.name}.kept")

    def begin(self) -> None:
        self._path.rename(self._kept)
        self._path.write_bytes(b"nothing that can be used")

    def end(self) -> None:
        self._path.unlink()
        self._kept.rename(self._path)


class LockedDatabase:
    """An SQLite file that another connection does not let go of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def begin(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        assert self._connection is not None
        with closing(self._connection):
            self._connection.execute("ROLLBACK")


class RegistryServer:
    """An MLflow server over a database, which can be killed and started again."""

    def __init__(self, database: Path, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: ForkServerProcess | None = None

    def end(self) -> None:
        self._process = fork_off(serve_registry, self._database, self._folder, self._port)
        wait_until(self._answers, "the registry")

    def begin(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.join()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.uri}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def serve_registry(database: Path, folder: Path, port: int) -> None:
    """What `mlflow server` starts, in this process: the command itself takes a quarter of a minute."""
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = f"sqlite:///{database}"
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = str(folder)
    uvicorn.run("mlflow.server.fastapi_app:app", port=port, log_level="error")


@contextmanager
def lasting(outage: Outage, check: Callable[[], object]) -> Iterator[None]:
    """Away while inside; `check` is called once it is."""
    outage.begin()
    try:
        check()
        yield
    finally:
        outage.end()
