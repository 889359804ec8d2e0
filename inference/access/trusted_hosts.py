"""Refuses what a page in a browser sends, where no credentials tell it from the user.

Such a page reaches loopback too: from its own origin, or, once its name resolves to 127.0.0.1 (DNS
rebinding), under a Host that is not ours. No page can change either header. Source: RFC 6454, section 7.
"""

from collections.abc import Iterable
from typing import Final

from inference.access.errors import ForeignHostError, ForeignOriginError
from inference.access.loopback import is_loopback

HOST: Final = b"host"
ORIGIN: Final = b"origin"
ANY_HOST: Final = "*"


class TrustedHosts:
    """The names that the service may be called by: loopback's, and those that it is given; `*` for any."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._trusted_last: bytes | None = None

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Check a request's headers, names in lower case. What names neither host nor origin is no browser's.

        Raises:
            ForeignHostError: it is for another host.
            ForeignOriginError: a page of another origin sent it.
        """
        host = origin = None
        for name, value in headers:
            if name == HOST:
                host = value
            elif name == ORIGIN:
                origin = value
        if host is not None and host != self._trusted_last:
            self._require_trusted(host)
        if origin is not None and (host is None or not _is_same(origin, host)):
            raise ForeignOriginError(_shown(origin))

    def _require_trusted(self, host: bytes) -> None:
        name = _name_of(host)
        if not (is_loopback(name) or name in self._names or ANY_HOST in self._names):
            raise ForeignHostError(_shown(host))
        self._trusted_last = host  # most callers send the same one again and again


def _is_same(origin: bytes, host: bytes) -> bool:
    """Whether the origin is this host, port and all; `null`, a sandboxed page's, is none."""
    _, scheme_ends, place = origin.partition(b"://")
    return bool(scheme_ends) and place.lower() == host.lower()


def _name_of(host: bytes) -> str:
    """The host without its port."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _shown(value: bytes) -> str:
    return value[:64].decode("latin-1")
