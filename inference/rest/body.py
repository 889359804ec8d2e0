"""Reads a request's body up to a limit, so that an endless one is refused and not collected."""

from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from inference.rest.content_coding import comes_packed, too_large, unpack

if TYPE_CHECKING:
    from inference.rest.application_state import ApplicationState

CONTENT_LENGTH: Final = b"content-length"


async def read_request_body(state: "ApplicationState", scope: Scope, receive: Receive) -> bytes:
    """The whole body of a request that was let in, unpacked; one that arrives slowly holds up nobody else.

    Raises:
        UnsupportedMediaTypeError: it comes in another coding than gzip; nothing of it was read.
        BodyTooLargeError: it is longer than the service takes, as it comes or unpacked.
        UnreadableBodyError: it is no whole gzip, though it was said to be.
        ClientDisconnect: the caller went before it was whole.
    """
    packed, limit = comes_packed(scope["headers"]), state.settings.max_body_bytes
    with state.admission.outside_turns(1):
        body = await read_body(scope, receive, limit)
    return unpack(body, limit) if packed else body


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: it is longer than `limit` bytes, as declared or as received.
        ClientDisconnect: the caller went before it was whole.
    """
    if _declared(scope) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == CONTENT_LENGTH:
            return int(value) if value.isdigit() else 0
    return 0
