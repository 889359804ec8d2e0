"""An answer's status line and headers as HTTP/1.1 sends them."""

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE


def encode_head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers, without the empty line at the end.

    Raises:
        ValueError: a header holds a line break, so that what follows would read as another.
    """
    return STATUS_LINE[status] + encode_headers(headers)


def encode_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A line for each header. Raises `ValueError` as `encode_head` does."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise ValueError("a header of the answer holds a line break")
    return lines
