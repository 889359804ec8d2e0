"""Reads a request's body up to a limit, so that an endless one is refused and not collected."""

from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from inference.errors import BodyTooLargeError

CONTENT_LENGTH: Final = b"content-length"


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: it is longer than `limit` bytes, as declared or as received.
        ClientDisconnect: the caller went before it was whole.
    """
    if _declared(scope) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == CONTENT_LENGTH:
            return int(value) if value.isdigit() else 0
    return 0


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is longer than {limit} bytes; send fewer instances at a time")
