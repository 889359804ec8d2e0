"""The monitor's one process: takes its port first, then serves until it is told to stop."""

import signal

import uvicorn

from inference.access.startup_check import require_guarded
from inference.rest.timeouts import TimedConnection
from inference.server import AnnouncedServer, leave, take_port
from monitoring.ml.server.app import create_app
from monitoring.ml.settings import MonitoringSettings


def serve(settings: MonitoringSettings) -> None:
    """Serve until SIGTERM or SIGINT; the reports that wait are written before the end.

    Raises:
        AccessConfigurationError: strangers could call, or nobody; said before the port opens.
        PortTakenError: the port is not free.
    """
    require_guarded(settings.inference, settings.monitor_host)
    listening = take_port(settings.monitor_host, settings.monitor_port)
    config = uvicorn.Config(
        create_app(settings), http=TimedConnection, ws="none", log_level="warning", access_log=False
    )
    signal.signal(signal.SIGTERM, leave)
    AnnouncedServer(config, "Monitoring", settings.inference.receive_seconds).run(sockets=[listening])
