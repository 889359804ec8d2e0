"""Which content types a route reads. Those that a page may send to another site unasked are in none of them.

Source: the Fetch standard, "CORS-safelisted request-header": text/plain and the two of HTML forms.
"""

from collections.abc import Iterable
from typing import Final

from inference.errors import UnsupportedMediaTypeError

CONTENT_TYPE: Final = b"content-type"
MediaTypes = frozenset[bytes]
JSON_ONLY: Final[MediaTypes] = frozenset({b"application/json"})
# What clients send that name no content type: Triton's over HTTP, for one.
UNNAMED: Final = b""


def require_media_type(headers: Iterable[tuple[bytes, bytes]], taken: MediaTypes) -> None:
    """Check what a request's headers, names in lower case, say of its body.

    Raises:
        UnsupportedMediaTypeError: it is none of those taken.
    """
    sent = UNNAMED
    for name, value in headers:
        if name == CONTENT_TYPE:
            sent = value
            break
    if sent not in taken and sent.partition(b";")[0].strip().lower() not in taken:
        known = b" or ".join(sorted(taken - {UNNAMED})).decode()
        raise UnsupportedMediaTypeError(
            f"content type {sent[:64].decode('latin-1')!r} is not read here; send {known}"
        )
