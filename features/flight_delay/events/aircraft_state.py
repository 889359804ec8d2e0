"""The live state of `aircraft_legs`: what happened to each aircraft, minute by minute."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.flight_delay.events.leg_book import Leg, Schedule
from features.flight_delay.tables.aircraft_states import GIVEN_UP, GONE, LANDED, ORDER, WAITING
from features.flight_delay.tables.operations import BACKLOG_PATIENCE

COLUMNS = (
    *("aircraft_status", "aircraft_from", "aircraft_to"),
    *("aircraft_departure_delay", "aircraft_arrival_delay"),
    *("aircraft_scheduled", "aircraft_expected_arrival", "aircraft_leg_minutes"),
)


class Happening(NamedTuple):
    """Something that happened to an aircraft; of several in one minute the greatest is its state."""

    rank: int
    scheduled: int
    leg: str
    row: tuple[Any, ...]


class AircraftState:
    """Each aircraft's rows; legs come, change and go in any order.

    A row once returned stays: when what it told of is taken back, it goes on saying what held at that minute.
    """

    def __init__(self) -> None:
        self._happenings: dict[str, dict[int, list[Happening]]] = defaultdict(dict)
        self._told: dict[str, dict[int, tuple[Any, ...]]] = defaultdict(dict)
        self._changed: set[tuple[str, int]] = set()
        self._coming: list[tuple[int, str]] = []
        self._until = -1

    def change(self, leg: Leg, sign: int) -> None:
        """Add a leg whose schedule is known, or take it back where `sign` is -1."""
        tailnum = leg.schedule.tailnum if leg.schedule else None
        if tailnum is None:
            return
        minutes = self._happenings[tailnum]
        for minute, happening in _happenings(leg):
            if sign > 0:
                minutes.setdefault(minute, []).append(happening)
            else:
                minutes[minute].remove(happening)
                if not minutes[minute]:
                    del minutes[minute]
            self._mark(tailnum, minute)

    def advance(self, minute: int) -> pd.DataFrame | None:
        """Return the new and the changed rows up to `minute` in order of time, `None` if there are none."""
        self._until = max(self._until, minute)
        while self._coming and self._coming[0][0] <= self._until:
            at, tailnum = heappop(self._coming)
            self._changed.add((tailnum, at))
        rows = list(self._rows(self._with_held_rows(self._changed)))
        self._changed = set()
        return _frame(rows) if rows else None

    def forget(self, before: int) -> None:
        """Forget what happened before a minute, but for each aircraft's last state by then."""
        for tailnum, minutes in self._happenings.items():
            past = sorted(minute for minute in minutes if minute < before)
            for minute in past[:-1]:
                del minutes[minute]
            told = self._told[tailnum]
            self._told[tailnum] = {minute: row for minute, row in told.items() if minute >= before}

    def _mark(self, tailnum: str, minute: int) -> None:
        if minute <= self._until:
            self._changed.add((tailnum, minute))
        else:
            heappush(self._coming, (minute, tailnum))

    def _with_held_rows(self, changed: Iterable[tuple[str, int]]) -> list[tuple[int, str]]:
        found = {(minute, tailnum) for tailnum, minute in changed}
        for tailnum in {tailnum for tailnum, _ in changed}:
            held = self._told[tailnum].keys() - self._happenings[tailnum].keys()
            found |= {(minute, tailnum) for minute in held}
        return sorted(found)

    def _rows(self, places: Iterable[tuple[int, str]]) -> Iterator[tuple[Any, ...]]:
        for minute, tailnum in places:
            told = self._told[tailnum]
            row = self._row(tailnum, minute, minute in told)
            if row is not None and told.get(minute) != row:
                told[minute] = row
                yield tailnum, minute, *row

    def _row(self, tailnum: str, minute: int, told: bool) -> tuple[Any, ...] | None:
        minutes = self._happenings[tailnum]
        if minute in minutes:
            return max(minutes[minute]).row
        if not told:
            return None
        earlier = [before for before in minutes if before < minute]
        return max(minutes[max(earlier)]).row if earlier else (None,) * len(COLUMNS)


def _happenings(leg: Leg) -> Iterator[tuple[int, Happening]]:
    if leg.schedule is None:
        return
    scheduled, due, departed, arrived = leg.schedule.scheduled, leg.schedule.due, leg.departed, leg.arrived
    late = None if departed is None else departed - scheduled
    if departed is None or departed > scheduled:
        yield scheduled, _happening(leg, leg.schedule, WAITING)
    if departed is not None:
        yield departed, _happening(leg, leg.schedule, GONE, late)
    if arrived is not None:
        yield arrived, _happening(leg, leg.schedule, LANDED, late, arrived - due)
    if departed is None or departed > scheduled + BACKLOG_PATIENCE:
        yield scheduled + BACKLOG_PATIENCE, _happening(leg, leg.schedule, GIVEN_UP)


def _happening(
    leg: Leg, schedule: Schedule, status: str, late: int | None = None, landed: int | None = None
) -> Happening:
    by = late if landed is None else landed
    expected = None if by is None else schedule.due + by
    duration = schedule.due - schedule.scheduled
    told = (status, schedule.origin, schedule.dest, late, landed, schedule.scheduled, expected, duration)
    return Happening(ORDER[status], schedule.scheduled, leg.leg, told)


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True))
    text = {name: np.array(column, object) for name, column in zip(COLUMNS[:3], columns[2:], strict=False)}
    numbers = {name: np.array(column, float) for name, column in zip(COLUMNS[3:], columns[5:], strict=True)}
    instants = pd.to_datetime(np.array(columns[1], np.int64) * 60, unit="s", utc=True).as_unit("us")
    keys = {"tailnum": np.array(columns[0], object), "event_timestamp": instants}
    return pd.DataFrame(keys | text | numbers)
