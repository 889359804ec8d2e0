"""What the online store asks of a database."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from features.errors import OnlineStoreError

KeyBytes = bytes
StoredRow = tuple[int, bytes]
NewRow = tuple[KeyBytes, int, int | None, bytes]
FoundRows = dict[str, dict[KeyBytes, StoredRow]]

SETTING = "ROUNDTRIP_ONLINE_STORE"


class RowDatabase(Protocol):
    """A table per view, in it a row per key: event time, creation time, features. Any thread may call.

    Times are microseconds since 1970 UTC. Every method raises `OnlineStoreError` when the database is away,
    locked or not laid out, within a bounded time; the message names the database without its password.
    """

    def fetch(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows:
        """Return, per table, the stored rows of the wanted keys, all from one moment of the database."""

    def fetch_at_once(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows | None:
        """Do the same without waiting for a network or a lock; `None` if that cannot be."""

    def upsert(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write rows of several tables as one; a stored row gives way only to one at least as new.

        Newer is by event time, then by creation time (a row without one counts as oldest).
        """

    def lay_out(self, tables: Sequence[str]) -> None:
        """Create the tables that are not there."""

    def drop(self, tables: Sequence[str]) -> None:
        """Remove the tables, if they are there."""

    def clear(self, tables: Sequence[str]) -> None:
        """Forget every row of the tables, as one."""


def redacted(address: str) -> str:
    """Return what messages call the database: scheme, host, port and path, neither user nor password."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def require_layout(missing: Sequence[str], name: str) -> None:
    """Refuse a database that lacks tables.

    Raises:
        OnlineStoreError: `missing` is not empty.
    """
    if missing:
        raise OnlineStoreError(
            f"online store {name}: {', '.join(missing)} was never laid out, or has been lost; "
            "lay it out with `python -m features apply`, fill it with `python -m features materialize`"
        )
