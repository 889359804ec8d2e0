"""The gRPC port: opened in the service's own event loop, closed when the service drains."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from inference.errors import PortTakenError

if TYPE_CHECKING:
    from inference.application_state import ApplicationState

# What the other parts of a message may take besides the body that the same limit allows over HTTP.
FRAME_BYTES: Final = 2**16


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

    from inference.protocols.open_inference.grpc_service import OpenInferenceService

    server = new_server(
        handlers=[OpenInferenceService(state).handler()],
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes + FRAME_BYTES),
            # Workers share the port; a single process must notice that another service has it.
            ("grpc.so_reuseport", int(settings.serve_workers > 1)),
        ],
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


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
