"""Looks rows up for an event loop: at once where that waits for nothing, in a few threads otherwise."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from features.errors import OnlineStoreError
from features.online.database import FoundRows, KeyBytes, RowDatabase
from features.online.outage import StoreOutage

THREADS = 4
LOOKUP_SECONDS = 1.0
Wanted = Mapping[str, Sequence[KeyBytes]]


class RowLookup:
    """Fetches rows within `LOOKUP_SECONDS`; a store that is away is no error but `None`, see `outage`."""

    def __init__(self, rows: RowDatabase) -> None:
        self._rows = rows
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="online-rows")
        self.outage = StoreOutage()

    def begin(self, wanted: Wanted) -> "asyncio.Future[FoundRows | None]":
        """Start a look-up, to be awaited; what needs no waiting is done already. Never blocks."""
        settled, found = self._fetch_at_once(wanted)
        if settled:
            done = asyncio.get_running_loop().create_future()
            done.set_result(found)
            return done
        return asyncio.ensure_future(self._fetch_in_thread(wanted))

    def fetch(self, wanted: Wanted) -> FoundRows | None:
        """Look up and wait; for callers that have no event loop to hold up."""
        settled, found = self._fetch_at_once(wanted)
        if settled:
            return found
        try:
            return self._threads.submit(self._fetch, wanted, monotonic()).result(LOOKUP_SECONDS)
        except TimeoutError:
            self._give_up()
            return None

    def _fetch_at_once(self, wanted: Wanted) -> tuple[bool, FoundRows | None]:
        if not self.outage.allows():
            return True, None
        try:
            found = self._rows.fetch_at_once(wanted)
        except OnlineStoreError as error:
            self.outage.begin(error)
            return True, None
        if found is not None:
            self.outage.end()
        return found is not None, found

    async def _fetch_in_thread(self, wanted: Wanted) -> FoundRows | None:
        fetching = asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, wanted, monotonic())
        try:
            return await asyncio.wait_for(fetching, LOOKUP_SECONDS)
        except TimeoutError:
            self._give_up()
            return None

    def _fetch(self, wanted: Wanted, asked_at: float) -> FoundRows | None:
        if self.outage.began_since(asked_at):
            return None  # it waited for a thread while others found the store away
        try:
            found = self._rows.fetch(wanted)
        except OnlineStoreError as error:
            self.outage.begin(error)
            return None
        self.outage.end()
        return found

    def _give_up(self) -> None:
        self.outage.begin(
            OnlineStoreError(
                f"the online store has not answered within {LOOKUP_SECONDS:g} s; see what keeps it"
            )
        )
