"""Descriptors: connections may take most of what the system allows, the service keeps the rest for its files.

A process that has none left can neither log, nor look up, nor finish an import: what it has begun to import
then stays half there, for good.
"""

import resource
from contextlib import suppress
from typing import Final

ENOUGH: Final = 2**16
# For the journal, both stores, sealing, trying versions out, and whatever libraries open meanwhile.
OWN_FILES: Final = 256
LONGEST_BACKLOG: Final = 2_048


def raise_descriptor_limit() -> None:
    """Allow this process as many as it may allow itself, up to `ENOUGH`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # less is allowed than is said
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """How many connections may be open at once; further ones are closed as they come."""
    return _limit() - _kept()


def longest_backlog() -> int:
    """How many may wait to be accepted: they come all at once, before one of them can be closed."""
    return min(LONGEST_BACKLOG, _kept() // 2)


def _kept() -> int:
    limit = _limit()
    return max(limit // 4, min(OWN_FILES, limit * 3 // 4))


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else soft
