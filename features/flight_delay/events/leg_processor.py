"""The live state of the legs: events in, rows of the feature tables out, as the batch build makes them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

import numpy as np
import pandas as pd

from features.errors import Refusal
from features.flight_delay.events.aircraft_state import AircraftState
from features.flight_delay.events.leg_book import MINUTE, Leg, LegBook
from features.flight_delay.events.leg_events import LEG_EVENTS, LegEvent
from features.flight_delay.tables.carrier_operations import CARRIER_OPERATIONS
from features.flight_delay.tables.destination_operations import DESTINATION_OPERATIONS
from features.flight_delay.tables.origin_operations import ORIGIN_OPERATIONS
from features.streaming.event import Event
from features.timestamps import EPOCH
from features.windows.live import NULL, RowColumns, WindowState

DAY: Final = 1440
# How far behind the clock a leg may lie and still be corrected.
KEPT_DAYS: Final = 10
# Legs further ahead wait: no window looks that far, and the state stays small.
AHEAD: Final = DAY
# Long after the last thing that happened every window is empty, and there is nothing more to tell.
QUIET: Final = 5 * DAY
TABLES: Final = (ORIGIN_OPERATIONS, CARRIER_OPERATIONS, DESTINATION_OPERATIONS)
AIRCRAFT: Final = "aircraft_legs"
KEYS: Final = ("origin", "carrier", "dest")


class LegProcessor:
    """Keeps the operations tables and the aircraft's states up to date, event by event, in any order.

    The rows that `advance` returns are those of the batch build from the same legs, except that a row once
    returned is never withdrawn: it then repeats what holds at its minute, which no look-up can tell apart.
    """

    events = LEG_EVENTS

    def __init__(self) -> None:
        self._book = LegBook()
        self._windows = _fresh_windows()
        self._aircraft = AircraftState()
        self._counted: dict[str, Leg] = {}
        self._waiting: list[tuple[int, str]] = []
        self._clock: int | None = None
        self._busy_until = 0

    def check(self, events: Sequence[Event]) -> list[Refusal]:
        """Return the events that cannot be true beside those applied; nothing changes."""
        return self._book.admit(_legs_only(events), self._since)[1]

    def apply(self, events: Sequence[Event]) -> None:
        """Take in events that `check` lets pass."""
        changes, _ = self._book.admit(_legs_only(events), self._since)
        self._book.keep(changes)
        self._recount(changes)

    def advance(self, to: datetime) -> dict[str, pd.DataFrame]:
        """Return the rows by view that are new up to `to`, and those whose numbers have changed since."""
        until, frames = (to - EPOCH) // MINUTE, defaultdict[str, list[pd.DataFrame]](list)
        for minute in self._steps(until):
            self._clock = minute
            self._let_in()
            for view, rows in self._rows(minute):
                frames[view].append(rows)
        self._forget()
        return {view: pd.concat(rows) if len(rows) > 1 else rows[0] for view, rows in frames.items()}

    def needs(self, event: Event) -> bool:
        """Return whether an applied event may still change a row."""
        return isinstance(event, LegEvent) and self._book.read(event.leg) is not None

    @property
    def _since(self) -> int:
        return 0 if self._clock is None else self._clock - KEPT_DAYS * DAY

    def _steps(self, until: int) -> Iterator[int]:
        """Return the minutes to stop at: a day apart at most, over a gap in the events at its end."""
        minute = self._clock
        if minute is not None and minute >= until:
            yield minute
        while minute is None or minute < until:
            next_leg = min(self._waiting[0][0] - DAY if self._waiting else until, until)
            if minute is None:
                minute = next_leg
            elif minute > self._busy_until + QUIET and next_leg > minute + DAY:
                self._windows, minute = _fresh_windows(), next_leg
            else:
                minute = min(minute + DAY, until)
            yield minute

    def _rows(self, minute: int) -> Iterator[tuple[str, pd.DataFrame]]:
        states: dict[str, WindowState | AircraftState] = {**self._windows, AIRCRAFT: self._aircraft}
        for name, state in states.items():
            rows = state.advance(minute)
            if rows is not None:
                yield name, rows

    def _recount(self, names: Iterable[str]) -> None:
        """Count the named legs as they are known now, instead of as they were."""
        before, after = list[Leg](), list[Leg]()
        for name in names:
            known, counted = self._book.read(name), self._counted.pop(name, None)
            if counted is not None:
                before.append(counted)
            if known is None or known.schedule is None:
                continue
            if self._clock is None or known.schedule.scheduled > self._clock + AHEAD:
                heappush(self._waiting, (known.schedule.scheduled, name))
                continue
            self._counted[name] = known
            self._busy_until = max(self._busy_until, known.schedule.scheduled, known.arrived or 0)
            after.append(known)
        self._change(before, after)

    def _change(self, before: Sequence[Leg], after: Sequence[Leg]) -> None:
        rows = _columns([*before, *after], [-1] * len(before) + [1] * len(after))
        for state in self._windows.values():
            state.change(rows)
        for sign, legs in ((-1, before), (1, after)):
            for leg in legs:
                self._aircraft.change(leg, sign)

    def _let_in(self) -> None:
        ready = set[str]()
        while self._waiting and self._clock is not None and self._waiting[0][0] <= self._clock + AHEAD:
            ready.add(heappop(self._waiting)[1])
        self._recount(ready)

    def _forget(self) -> None:
        """Forget old legs, a day's worth at a time."""
        horizon = self._since - 2 * DAY
        oldest = next(iter(self._counted.values()), None)
        if oldest is None or oldest.moment > horizon - DAY:
            return
        for name in self._book.forget(horizon):
            self._counted.pop(name, None)
        self._aircraft.forget(horizon)


def _fresh_windows() -> dict[str, WindowState]:
    return {table.name: WindowState(table, KEPT_DAYS * DAY // table.grid) for table in TABLES}


def _legs_only(events: Sequence[Event]) -> list[LegEvent]:
    return [event for event in events if isinstance(event, LegEvent)]


def _columns(legs: Sequence[Leg], signs: Sequence[int]) -> RowColumns:
    published = [leg.schedule for leg in legs if leg.schedule is not None]
    keys = {name: [getattr(schedule, name) for schedule in published] for name in KEYS}
    scheduled = np.array([schedule.scheduled for schedule in published], np.int64)
    due = np.array([schedule.due for schedule in published], np.int64)
    departed = np.array([NULL if leg.departed is None else leg.departed for leg in legs], np.int64)
    arrived = np.array([NULL if leg.arrived is None else leg.arrived for leg in legs], np.int64)
    numbers = {
        "scheduled": scheduled,
        "departed": departed,
        "arrived": arrived,
        "dep_delay": np.where(departed == NULL, NULL, departed - scheduled),
        "arr_delay": np.where(arrived == NULL, NULL, arrived - due),
    }
    return RowColumns(keys, numbers, np.array(signs, np.int64))
