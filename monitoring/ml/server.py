"""The monitor's one process: takes its port first, then serves until it is told to stop."""

import signal
import sys
from types import FrameType

import uvicorn

from inference.server import take_port
from monitoring.ml.app import create_app
from monitoring.ml.settings import MonitoringSettings


def serve(settings: MonitoringSettings) -> None:
    """Serve until SIGTERM or SIGINT; the reports that wait are written before the end.

    Raises:
        PortTakenError: the port is not free.
    """
    listening = take_port(settings.monitor_host, settings.monitor_port)
    config = uvicorn.Config(create_app(settings), log_level="warning", access_log=False)
    host, port = listening.getsockname()[:2]
    print(f"Monitoring on http://{host}:{port} (docs at /docs)", flush=True)
    # The server raises the signal again once it has shut down; that is a clean end.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.Server(config).run(sockets=[listening])


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
