"""Reads a request's body up to a limit, so that an endless one is refused and not collected."""

from starlette.requests import Request

from inference.errors import BodyTooLargeError


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: it is longer than `limit` bytes, as declared or as received.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is longer than {limit} bytes; send fewer instances at a time")
