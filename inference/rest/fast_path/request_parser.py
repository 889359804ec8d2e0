"""Recognises one whole plain request in the bytes that came, for refusing it at the least expense.

What is answered otherwise is read by the HTTP parser: it knows all that a request may be, and takes as long
as the whole refusal does.
"""

import re
from collections.abc import Sequence
from typing import Final

from inference.observability.request_ids import HEADER

LENGTH: Final = b"content-length"
LONGEST_LENGTH: Final = 12
HEAD_ENDS: Final = b"\r\n\r\n"
LINE_ENDS: Final = b"\r\n"
# Those that a refusal looks at, and those that make a request something else than plain.
TELLING: Final = re.compile(
    rb"\r\n(content-length|x-request-id|transfer-encoding|connection|upgrade|expect)[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)


def read_whole(data: bytes) -> tuple[bytes, Sequence[tuple[bytes, bytes]]] | None:
    """The request line and the id's header, if there is one; `None` if it is not one whole plain request."""
    head = data.find(HEAD_ENDS)
    if head < 0:
        return None
    declared, named = None, []
    for name, value in TELLING.findall(data, 0, head):
        lower = name.lower()
        if lower == HEADER:
            named.append((HEADER, value.rstrip()))
        elif lower == LENGTH and declared is None:
            declared = value.rstrip()
        else:
            return None
    length = None if declared is None else read_length(declared)
    if length is None or len(data) != head + len(HEAD_ENDS) + length:
        return None
    return data[: data.find(LINE_ENDS)], named


def read_length(declared: bytes) -> int | None:
    """The length that a header declares; `None` if that is no number, or one of absurdly many digits."""
    return int(declared) if declared.isdigit() and len(declared) <= LONGEST_LENGTH else None
