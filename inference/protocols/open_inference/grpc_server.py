"""The gRPC port: opened in the service's own event loop, closed when the service drains."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING, Final

from inference.errors import PortTakenError

if TYPE_CHECKING:
    from inference.rest.application_state import ApplicationState
    from inference.settings import InferenceSettings

# Bits 0 and 2 of GRPC_COMPRESS_NONE, _DEFLATE and _GZIP.
PLAIN_OR_GZIP: Final = 0b101
# Calls that one connection may have under way.
STREAMS: Final = 100
# Longer than clients' own pauses between calls; they connect again without a word.
KEEP_ALIVE_SECONDS: Final = 300


@asynccontextmanager
async def grpc_port(state: "ApplicationState") -> AsyncIterator[int | None]:
    """Serve gRPC while the context lasts, if a port is configured; yields the port that was taken.

    Raises:
        PortTakenError: it cannot be listened on.
    """
    settings = state.settings
    if settings.grpc_port is None:
        yield None
        return
    from grpc.aio import server as new_server  # not imported where gRPC is not asked for

    from inference.protocols.open_inference.grpc_health import HealthService
    from inference.protocols.open_inference.grpc_reading import FRAME_BYTES
    from inference.protocols.open_inference.grpc_service import OpenInferenceService

    server = new_server(
        handlers=[OpenInferenceService(state).handler(), HealthService(state).handler()],
        options=_options(settings, FRAME_BYTES),
    )
    try:
        port = server.add_insecure_port(_address(settings.serve_host, settings.grpc_port))
    except RuntimeError as error:
        raise PortTakenError(
            f"gRPC port {settings.grpc_port} of {settings.serve_host} cannot be used; stop what listens "
            "there, or choose another with ROUNDTRIP_GRPC_PORT"
        ) from error
    await server.start()
    print(f"gRPC on {_address(settings.serve_host, port)}", flush=True)
    try:
        yield port
    finally:
        await server.stop(settings.drain_seconds)


def _options(settings: "InferenceSettings", frame_bytes: int) -> list[tuple[str, int]]:
    """Limits of what callers may make gRPC hold, whoever they are."""
    return [
        ("grpc.max_receive_message_length", settings.max_body_bytes + frame_bytes),
        # gRPC itself unpacks whatever a message unpacks to, and looks at the length afterwards.
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", PLAIN_OR_GZIP),
        # Else streams of messages that nobody has asked for yet get windows of megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.max_connection_idle_ms", KEEP_ALIVE_SECONDS * 1_000),
        ("grpc.server_handshake_timeout_ms", ceil(settings.receive_seconds * 1_000)),
        # Workers share the port; a single process must notice that another service has it.
        ("grpc.so_reuseport", int(settings.serve_workers > 1)),
    ]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
