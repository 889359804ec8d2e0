"""The service as several workers: what they share, what each does, what they are forked off with."""

import asyncio
import gc
import signal
import socket
from importlib import import_module
from types import FrameType
from typing import Final

import uvicorn

from contracts.registry import silence_mlflow
from inference.server import AnnouncedServer, described, serve_on
from inference.settings import InferenceSettings
from inference.workers.multiprocess_metrics import FiguresFolder, count_in
from inference.workers.pipes import WorkerPipes
from inference.workers.readiness import ReadyFirst
from inference.workers.supervisor import Supervisor

# What takes long of what a worker imports. Not ONNX Runtime, nor what imports it: that starts a thread, which
# a forked process would lack. (PyArrow's allocator has one too, and starts it again after a fork.)
PRELOADED: Final = (
    "fastapi",
    "features.online.cache",
    "inference.prediction_log.background_compaction",
    "inference.rest.responses",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "onnx",
    "pandas",
)
# Beyond `drain_seconds`: sealing the log, sending the last traces.
CLOSING_SECONDS: Final = 20.0


def serve_with_workers(settings: InferenceSettings, taken: socket.socket) -> None:
    """Serve on the address that was taken until SIGTERM or SIGINT.

    Raises:
        PortTakenError: another process took the port at this moment.
        WorkersError: a worker cannot start, or did not end as it should.
    """
    with share_port(taken) as shared:
        address = shared.getsockname()[:2]
        preload()
        figures = FiguresFolder(settings.var / "serving")

        def work(pipes: WorkerPipes) -> None:
            count_in(figures.path, pipes.place)
            serve_on(listen_beside(address), settings, lambda config: WorkerServer(config, settings, pipes))

        patience = settings.drain_seconds + CLOSING_SECONDS
        supervisor = Supervisor(settings.serve_workers, work, patience, figures.leave)
        try:
            supervisor.run(lambda: print(described(shared, "Serving"), flush=True))
        finally:
            figures.remove()


def share_port(taken: socket.socket) -> socket.socket:
    """Exchange a socket for one on its address that lets workers listen beside it, and does not listen."""
    address = taken.getsockname()[:2]
    taken.close()
    return listen_beside(address)


def listen_beside(address: tuple[str, int]) -> socket.socket:
    """Return a socket bound to an address that others of this user's may be bound to as well."""
    beside = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside.bind(address)
    return beside


def preload() -> None:
    """Import what workers need, and keep the collector's hands off it: what it writes to is copied by all."""
    silence_mlflow()
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()


class WorkerServer(AnnouncedServer):
    """Tells the supervisor that it listens, ends when that is gone; ends at its word, at no terminal's."""

    def __init__(self, config: uvicorn.Config, settings: InferenceSettings, pipes: WorkerPipes) -> None:
        super().__init__(config, "Serving", settings.receive_seconds)
        self._pipes = pipes
        config.app = ReadyFirst(config.app, lambda: self.should_exit)

    def announce(self, sockets: object) -> None:  # noqa: ARG002
        """Report, and begin to watch the supervisor."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipes.lifeline, self._orphaned)
        self._pipes.report_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end on SIGTERM."""
        if sig == signal.SIGTERM:
            super().handle_exit(sig, frame)

    def _orphaned(self) -> None:
        self._loop.remove_reader(self._pipes.lifeline)
        self.handle_exit(signal.SIGTERM, None)
