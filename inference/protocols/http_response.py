"""Takes a request that came through FastAPI to an adapter: those whose path is not known beforehand."""

from typing import Any

from fastapi import Request, Response

from inference.protocols.adapter import ProtocolAdapter, route_of
from inference.protocols.served_name import Address
from inference.rest.fast_path.middleware import answer_through


async def answer_request(adapter: ProtocolAdapter, request: Request, address: Address) -> Response:
    """Answer a prediction request. Raises `InferenceError`, which the application answers."""
    return await answer_through(request, route_of(adapter, address, request.scope["route"].path))


def address_of(request: Request) -> Address:
    """The model that a request's path means: its `{name}`, and `{version}` or `{label}` where it has one."""
    return Address(**request.path_params)


def described(path: str, **operation: Any) -> dict[str, Any]:
    """An operation's description with the path's parameters, which the route takes all at once."""
    names = [name for name in ("name", "version", "label") if f"{{{name}}}" in path]
    declared = {"in": "path", "required": True, "schema": {"type": "string"}}
    return {"parameters": [{"name": name, **declared} for name in names], **operation}
