"""Serves with one process, or with several workers under a supervisor."""

from inference.access.startup_check import require_guarded
from inference.observability.json_logging import log_as
from inference.rest.descriptors import raise_descriptor_limit
from inference.server import AnnouncedServer, serve_on, take_port
from inference.settings import InferenceSettings


def serve(settings: InferenceSettings) -> None:
    """Serve until SIGTERM or SIGINT; open requests are answered and the log is sealed before the end.

    Raises:
        AccessConfigurationError: strangers could call, or nobody; said before the port opens.
        PortTakenError: the port is not free.
        NotStartedError: the application cannot start.
        WorkersError: one of several workers cannot, or did not end as it should.
    """
    log_as(settings.log_format)
    raise_descriptor_limit()
    require_guarded(settings, settings.serve_host)
    listening = take_port(settings.serve_host, settings.serve_port)
    if settings.serve_workers > 1:
        from inference.workers.service import serve_with_workers

        serve_with_workers(settings, listening)
    else:
        patience = settings.receive_seconds
        serve_on(listening, settings, lambda config: AnnouncedServer(config, "Serving", patience))
