"""The service's read path: rows kept for a moment, a key looked up once, defaults while the store is away."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from time import monotonic

from features.online.database import FoundRows, KeyBytes
from features.online.lookup import RowLookup, Wanted
from features.online.reader import NOTHING, OnlineReader, ServedFeatures, Unread
from features.schema.feature_column import FeatureColumn

ENTRIES = 100_000
LookUp = asyncio.Future[FoundRows | None]


class CachedOnlineReader:
    """Reads like `OnlineReader`, for an event loop, and answers whether or not the store does.

    A row may be up to `fresh_seconds` older than the store's; look-ups of one key that run at once are one.
    Zero switches both off: every request then reads the store as it is, all its views at one moment. What
    cannot be read has status `default`.
    """

    def __init__(self, reader: OnlineReader, fresh_seconds: float, entries: int = ENTRIES) -> None:
        self._reader = reader
        self._look_up = RowLookup(reader.rows)
        self._rows = RowCache(self._look_up, fresh_seconds, entries) if fresh_seconds else None

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The service's features in model input order."""
        return self._reader.columns

    @property
    def trouble(self) -> str | None:
        """Why the store is away; `None` while it answers."""
        return self._look_up.outage.trouble

    async def read(
        self, rows: Sequence[Mapping[str, object]], as_of: Sequence[datetime]
    ) -> list[ServedFeatures]:
        """Return each row's features as known at its own instant.

        Raises:
            RepositoryError: an on-demand function no longer computes what the registry declares.
        """
        asked = self._reader.ask(rows)
        if self._rows is None:
            found, unread = _settled(await self._look_up.begin(asked.wanted), asked.wanted)
        else:
            found, unread = await self._rows.fetch(asked.wanted)
        return self._reader.answer(asked, as_of, found, unread)

    def read_blocking(
        self, rows: Sequence[Mapping[str, object]], as_of: Sequence[datetime]
    ) -> list[ServedFeatures]:
        """Do the same from a worker thread, past the cache: for large batches."""
        asked = self._reader.ask(rows)
        found, unread = _settled(self._look_up.fetch(asked.wanted), asked.wanted)
        return self._reader.answer(asked, as_of, found, unread)


class RowCache:
    """Rows by table and key, each with the look-up that brings or brought it. One event loop may use it."""

    def __init__(self, look_up: RowLookup, fresh_seconds: float, entries: int) -> None:
        self._look_up, self._fresh_seconds, self._limit = look_up, fresh_seconds, entries
        self._kept: OrderedDict[tuple[str, KeyBytes], tuple[float, LookUp]] = OrderedDict()

    async def fetch(self, wanted: Wanted) -> tuple[FoundRows, Unread]:
        """Return the rows found, and the keys that could not be read."""
        bringing = self._look_ups(wanted)
        under_way = {look_up for look_up in bringing.values() if not look_up.done()}
        if under_way:
            await asyncio.wait(under_way)  # a caller that gives up leaves the others' look-up running
        found: FoundRows = {table: {} for table in wanted}
        unread: dict[str, set[KeyBytes]] = {}
        for (table, key), look_up in bringing.items():
            rows = look_up.result()
            if rows is None:
                unread.setdefault(table, set()).add(key)
                self._kept.pop((table, key), None)
            elif key in rows[table]:
                found[table][key] = rows[table][key]
        return found, unread

    def _look_ups(self, wanted: Wanted) -> dict[tuple[str, KeyBytes], LookUp]:
        """The look-up of every key: a kept or running one, else one new for all the others."""
        now = monotonic()
        entries = [(table, key) for table, keys in wanted.items() for key in keys]
        bringing = {entry: kept for entry in entries if (kept := self._usable(entry, now)) is not None}
        due: dict[str, list[KeyBytes]] = {}
        for table, key in entries:
            if (table, key) not in bringing:
                due.setdefault(table, []).append(key)
        if due:
            look_up = self._look_up.begin(due)
            fresh = {(table, key): look_up for table, keys in due.items() for key in keys}
            self._keep(fresh, now + self._fresh_seconds)
            bringing |= fresh
        return bringing

    def _usable(self, entry: tuple[str, KeyBytes], now: float) -> LookUp | None:
        until, look_up = self._kept.get(entry, (0.0, None))
        return look_up if look_up is not None and (now < until or not look_up.done()) else None

    def _keep(self, fresh: Mapping[tuple[str, KeyBytes], LookUp], until: float) -> None:
        for entry, look_up in fresh.items():
            self._kept[entry] = (until, look_up)
            self._kept.move_to_end(entry)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)


def _settled(found: FoundRows | None, wanted: Wanted) -> tuple[FoundRows, Unread]:
    if found is None:
        return {}, {table: set(keys) for table, keys in wanted.items()}
    return found, NOTHING
