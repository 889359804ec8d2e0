"""The server: takes its port first, then serves until it is told to stop, in this process.

uvicorn, with uvloop and httptools: on one busy machine, at 8 connections, a bare echo took 26 to 28 us of CPU
a request; granian's took 85 to 88 as ASGI and 38 to 51 as RSGI. `/v1/predict` took 190 to 270 (420 in one of
four rounds), through granian's ASGI 306 to 429.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from inference.errors import NotStartedError, PortTakenError
from inference.observability.json_logging import uvicorn_log_config
from inference.rest.descriptors import longest_backlog, most_connections
from inference.rest.timeouts import TimedConnection, close_slow_callers
from inference.settings import InferenceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

# Longer than clients keep idle connections: the server closing one as a request comes would fail it.
KEEP_ALIVE_SECONDS = 75
# The follower looks again by itself; MLflow's own attempts, minutes apart, would only hold it up.
REGISTRY_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# A fast path's body is collected before its caller is known; a longer one goes the way that asks first.
LARGEST_STRANGERS_BODY = 256 * 2**10
# How long a thread may keep the interpreter from the event loop; Python's own 5 ms are many requests. The
# loop asks for it back twice in each of its turns, of which one takes less than a millisecond.
SWITCH_SECONDS = 0.0001


def take_port(host: str, port: int) -> socket.socket:
    """Take the port, so that a busy one is named before anything slow begins; 0 takes a free one.

    It is listened on from here on: a port that is only bound, another process could bind as well. Callers who
    connect before the service has started wait for it.

    Raises:
        PortTakenError: the port cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen()
    except OSError as error:
        taken.close()
        raise PortTakenError(
            f"port {port} of {host} cannot be used ({error.strerror}); stop what listens there, "
            "or choose another with --port"
        ) from error
    return taken


def serve_on(
    listening: socket.socket, settings: InferenceSettings, make: Callable[[uvicorn.Config], uvicorn.Server]
) -> None:
    """Serve on a bound socket in this process with the server that `make` gives.

    Raises:
        NotStartedError: the application cannot start.
    """
    from inference.app import create_app  # after the port: a busy one is said at once

    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings)
    for name, value in REGISTRY_PATIENCE.items():
        os.environ.setdefault(name, value)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        backlog=longest_backlog(),
        http=connection_class(app, settings, most_connections()),
        ws="none",  # there are none, and uvicorn waits for ever for one that was upgraded to
        log_config=uvicorn_log_config(settings.log_format),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    signal.signal(signal.SIGTERM, leave)
    server = make(config)
    with suppress(SystemExit):  # uvicorn's, when the application cannot start
        server.run(sockets=[listening])
    if not server.started:
        raise NotStartedError("the service could not start; what it said above says why")


def connection_class(app: "FastAPI", settings: InferenceSettings, most: float = inf) -> type[TimedConnection]:
    """The class of the application's connections, of which `most` may be open at once."""
    if not settings.fast_path:
        return type(TimedConnection.__name__, (TimedConnection,), {"most_connections": most})
    from inference.rest.fast_path.connection import fast_connection

    return fast_connection(app, min(settings.max_body_bytes, LARGEST_STRANGERS_BODY), most)


class AnnouncedServer(uvicorn.Server):
    """Says where it listens as soon as it does, after a word for what it does: `Serving`, `Monitoring`.

    Where connections are patient ones, it closes those whose request has taken more than `patience` seconds.
    """

    def __init__(self, config: uvicorn.Config, doing: str, patience: float = inf) -> None:
        super().__init__(config)
        self._doing, self._patience = doing, patience

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then announce the addresses."""
        await super().startup(sockets)
        self.announce(sockets or ())

    def announce(self, sockets: Sequence[socket.socket]) -> None:
        """Say where it listens."""
        for listening in sockets:
            print(described(listening, self._doing), flush=True)

    async def on_tick(self, counter: int) -> bool:
        """Look at the connections, ten times a second."""
        now = asyncio.get_running_loop().time()
        close_slow_callers(self.server_state.connections, now, self._patience)
        return await super().on_tick(counter)


def described(listening: socket.socket, doing: str) -> str:
    """The line that says where is listened."""
    host, port = listening.getsockname()[:2]
    return f"{doing} on http://{host}:{port} (docs at /docs)"


def leave(_signal: int, _frame: FrameType | None) -> None:
    """End the process with status 0: handles the signal that uvicorn raises again once it has shut down.

    The interpreter is not taken apart: by then everything is written, and the last garbage collection of what
    native libraries hold has been seen to crash, which would make a failure of a clean end.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
