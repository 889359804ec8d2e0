"""Which names requests can carry: they are decoded by the bytes of their names, as JSON writes those."""

import re
from typing import Final

# Without what JSON would write otherwise than it stands.
SENDABLE: Final = re.compile(r'[^"\\\x00-\x1f]+')


def require_sendable(name: str) -> str:
    """Return the name.

    Raises:
        ValueError: no request could carry it.
    """
    if not SENDABLE.fullmatch(name):
        raise ValueError(f"{name!r} is empty, or has a quote, a backslash or a control character; rename it")
    return name
