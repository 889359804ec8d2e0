"""Bodies that come compressed: gzip is unpacked as far as the limit says, any other coding refused."""

import zlib
from collections.abc import Iterable
from typing import Final

from inference.errors import BodyTooLargeError, UnreadableBodyError, UnsupportedMediaTypeError

CONTENT_ENCODING: Final = b"content-encoding"
# Older callers say x-gzip (RFC 9110, 8.4.1.3).
GZIP: Final = frozenset({"gzip", "x-gzip"})
PLAIN: Final = frozenset({"", "identity"})
# For zlib: gzip's own header and checksum, and its largest window.
GZIP_WINDOW: Final = 31


def comes_packed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request's headers say that its body is gzip.

    Raises:
        UnsupportedMediaTypeError: they say another coding, or several.
    """
    said = ",".join(value.decode("latin-1") for name, value in headers if name == CONTENT_ENCODING)
    coding = said.strip().lower()
    if coding not in GZIP | PLAIN:
        raise UnsupportedMediaTypeError(
            f"content encoding {coding[:32]!r} is not read here; send gzip, or the body as it is",
            headers={"Accept-Encoding": "gzip"},
        )
    return coding in GZIP


def unpack(body: bytes, limit: int) -> bytes:
    """What a gzip body holds.

    Raises:
        BodyTooLargeError: more than `limit` bytes, of which no more were unpacked.
        UnreadableBodyError: it is no gzip, is cut off, or something follows.
    """
    unpacking = zlib.decompressobj(GZIP_WINDOW)
    try:
        unpacked = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnreadableBodyError(
            f"the body is no gzip: {error}; send it as it is, or packed whole"
        ) from error
    if len(unpacked) > limit:
        raise too_large(limit)
    if not unpacking.eof or unpacking.unused_data:
        raise UnreadableBodyError("the gzip body is cut off, or something follows it; send one whole gzip")
    return unpacked


def too_large(limit: int) -> BodyTooLargeError:
    """The refusal of a body of more than `limit` bytes."""
    return BodyTooLargeError(f"the body is longer than {limit} bytes; send fewer instances at a time")
