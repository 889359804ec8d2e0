"""Reads a call's one message only when it is asked for, and waits for it only so long."""

import asyncio
from typing import Final, cast

from grpc import aio

from inference.errors import MalformedBodyError
from inference.protocols.errors import TooSlowError
from inference.rest.content_coding import unpack

# What the other parts of a message may take besides the body that the same limit allows over HTTP.
FRAME_BYTES: Final = 2**16
# How gzip begins, and no message can: as the tag of a field it names a wire type that there is not.
PACKED: Final = b"\x1f\x8b"


async def read_message(context: aio.ServicerContext, seconds: float, limit: int) -> bytes:
    """The bytes of the message; until this is called, gRPC takes no more of it than the stream's window.

    Raises:
        BodyTooLargeError, UnreadableBodyError: it is packed, and cannot be unpacked within the limit.
        TooSlowError: it did not arrive in time.
        MalformedBodyError: the call ended without one.
    """
    try:
        async with asyncio.timeout(seconds):
            body = await context.read()
    except TimeoutError:
        raise TooSlowError(f"the message did not arrive within {seconds:g} s; send it again") from None
    if body is aio.EOF:
        raise MalformedBodyError("the call has no message; send one")
    message = cast("bytes", body)
    return unpack(message, limit) if message.startswith(PACKED) else message
