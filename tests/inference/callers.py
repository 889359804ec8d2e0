"""Callers with credentials: API keys in a file, and the headers that carry a token."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from inference.access.api_keys import ApiKey
from inference.access.caller import Scope
from inference.access.key_file import add_key
from inference.access.rate_limit import Rate

Headers = list[tuple[bytes, bytes]]


def new_key(
    path: Path,
    name: str,
    scopes: Iterable[Scope] = ("predict",),
    expires_at: datetime | None = None,
    rate: Rate | None = None,
) -> str:
    """Add a key to the file; its token."""
    key, token = ApiKey.create(name, scopes, expires_at, rate)
    add_key(path, key)
    return token


def bearer(token: str) -> dict[str, str]:
    """What a client sends."""
    return {"authorization": f"Bearer {token}"}


def as_asgi(token: str) -> Headers:
    """The same as a server hands it on."""
    return [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
