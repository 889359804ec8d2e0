"""The id of a whole request: the caller's where it is sane, else made; every logged line can carry it."""

import re
from contextvars import ContextVar
from itertools import count
from secrets import token_hex
from typing import Final

HEADER: Final = b"x-request-id"
SANE: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

current_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIds:
    """Gives ids: a random part of its own and a number, a tenth of what a random id costs.

    Make one in each process, since a fork would repeat its random part.
    """

    def __init__(self) -> None:
        self._prefix, self._next = token_hex(8), count(1).__next__

    def take(self, given: bytes | None) -> str:
        """The given `x-request-id`, or a new id where there is none or it could spoil a log line."""
        if given is not None and SANE.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}{self._next():08x}"
