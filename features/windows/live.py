"""The live totals of one declared table: every change by grid instant and key, and the rows they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.windows.windowed_table import Feature, Moment, Span, Value, WindowedTable

Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# Stands for null in columns of whole numbers; far enough from the end that shifting it by minutes is safe.
NULL: Final = 2**60
UNKNOWN: Final = 2**59


@dataclass(frozen=True)
class RowColumns:
    """Rows as columns: their keys as text, whole numbers with `NULL` where there is none."""

    keys: Mapping[str, Sequence[str]]
    numbers: Mapping[str, Whole]
    signs: Whole


class WindowState:
    """What a declared table says at every instant, kept up to date by rows that come, change and go.

    `change` takes rows in any order, with sign -1 to take one back. `advance` returns the rows of the table
    that are new up to an instant, and those already returned whose numbers have changed since. Totals are
    whole numbers, so that neither order nor corrections leave a trace. Changes further back than `depth`
    instants before the last one advanced to are forgotten: their rows stay as they are.
    """

    def __init__(self, table: WindowedTable, depth: int) -> None:
        self.table, self._depth = table, depth
        self._totals = {name: place for place, name in enumerate(_total_names(table))}
        self._keys: dict[tuple[str, ...], int] = {}
        self._base: int | None = None
        self._until = -1
        self._first, self._last = NULL, -1
        self._store = _Slots(0, 0, len(self._totals))
        self._now = np.zeros((0, len(self._totals)), np.int64)
        # Totals have changed unless the weighted sum of their changes is zero (by chance: 1 in 2**60).
        self._weights = np.random.default_rng(0).integers(2**60, 2**62, len(self._totals))

    def change(self, rows: RowColumns) -> None:
        """Add rows, or take them back where their sign is -1."""
        if not rows.signs.size:
            return
        keys = self._key_places(rows)
        for span in self.table.spans:
            self._move(span, keys, rows)
        if self.table.reach is not None:
            self._extend_reach(rows.numbers[self.table.reach.column][rows.signs > 0])

    def advance(self, minute: int) -> pd.DataFrame | None:
        """Return the new and the changed rows up to `minute`, `None` if there are none.

        Columns: keys, `event_timestamp` (UTC), features.
        """
        limit = max(self._until, minute // self.table.grid)
        if self._base is None or (limit == self._until and self._is_told()):
            return None
        self._make_room(limit)
        places, totals = self._changed_rows(limit)
        self._until = limit
        frame = self._frame(places, totals) if len(places) else None
        self._forget()
        return frame

    def _is_told(self) -> bool:
        """Return whether nothing that was told of has changed: most events only change what is to come."""
        told = self._until - self._origin + 1
        told_of, traces = self._store.told[:, :told], self._store.traces[:, :told]
        if self.table.reach is not None and not told_of[:, -1].all():
            return False
        return not traces.any() and not ((self._store.touches[:, :told] > 0) & ~told_of).any()

    def _move(self, span: Span, keys: Whole, rows: RowColumns) -> None:
        enter = _to_grid(_moment(rows, span.enter), self.table.grid)
        if isinstance(span.leave, int):
            leave = enter + _ceiling(span.leave, self.table.grid)
        else:
            leave = _to_grid(_moment(rows, span.leave), self.table.grid)
        moved = (enter < leave) & (leave < UNKNOWN)
        if not moved.any():
            return
        keys, enter, leave, signs = keys[moved], enter[moved], leave[moved], rows.signs[moved]
        self._make_room(int(leave.max()) + 1, int(enter.min()))
        trace = np.zeros(keys.size, np.int64)
        for name, value in span.totals.items():
            amount = signs * _value(rows, value)[moved]
            trace += amount * self._weights[self._totals[name]]
            self._add(self._totals[name], keys, enter, amount)
            self._add(self._totals[name], keys, leave, -amount)
        self._touch(keys, enter, signs, trace)
        self._touch(keys, leave, signs, -trace)

    def _add(self, total: int, keys: Whole, slots: Whole, amount: Whole) -> None:
        kept = slots >= self._origin
        np.add.at(self._store.changes[:, :, total], (keys[kept], slots[kept] - self._origin), amount[kept])
        past = slots <= self._until
        np.add.at(self._now[:, total], keys[past], amount[past])

    def _touch(self, keys: Whole, slots: Whole, signs: Whole, trace: Whole) -> None:
        kept = slots >= self._origin
        np.add.at(self._store.touches, (keys[kept], slots[kept] - self._origin), signs[kept])
        np.add.at(self._store.traces, (keys, np.maximum(slots - self._origin, 0)), trace)

    def _changed_rows(self, limit: int) -> tuple[Whole, Whole]:
        """Return the (key, instant) places of the rows to tell of, in order of time, and all their totals."""
        end, told = limit - self._origin + 1, max(self._until - self._origin + 1, 0)
        wanted = self._wanted(end)
        keys = np.arange(len(wanted)) if self.table.reach is not None else np.flatnonzero(wanted.any(axis=1))
        start = min(int(wanted.any(axis=0).argmax()), told) if wanted.any() else told
        totals = self._totals_between(keys, start, told, end)
        self._store.told[:, :end] |= wanted
        self._now = self._now + self._store.changes[:, told:end].sum(axis=1)
        if self.table.reach is not None:
            totals = np.concatenate([totals, np.broadcast_to(totals.sum(axis=0), totals.shape)], axis=2)
        slots, places = np.nonzero(wanted[keys, start:].T)
        return np.column_stack([keys[places], slots + start + self._origin]), totals[places, slots]

    def _wanted(self, end: int) -> Flags:
        """Return where there is a row to tell of, by key and instant: it is new, or its numbers changed."""
        changed: Flags = np.cumsum(self._store.traces[:, :end], axis=1) != 0
        self._store.traces[:] = 0
        already: Flags = self._store.told[:, :end]
        if self.table.reach is None:
            touched: Flags = self._store.touches[:, :end] > 0
            return (touched & ~already) | (changed & already)
        grid, slots = self.table.grid, self._origin + np.arange(end)
        within: Flags = (slots >= _ceiling(self._first - self.table.reach.ahead, grid)) & (
            slots * grid < self._last
        )
        anywhere: Flags = np.logical_or.reduce(changed, axis=0)
        return (within & ~already) | (anywhere & already)

    def _totals_between(self, keys: Whole, start: int, told: int, end: int) -> Whole:
        """Return every total of the keys at each instant, found by going back from the last one told of."""
        changes = self._store.changes[keys, start:end]
        before = self._now[keys] - changes[:, : told - start].sum(axis=1)
        totals: Whole = before[:, None, :] + np.cumsum(changes, axis=1)
        return totals

    def _extend_reach(self, moments: Whole) -> None:
        if moments.size:
            self._first = min(self._first, int(moments.min()))
            self._last = max(self._last, int(moments.max()))

    @property
    def _origin(self) -> int:
        return self._base or 0

    def _key_places(self, rows: RowColumns) -> Whole:
        names = zip(*(rows.keys[name] for name in self.table.keys), strict=True)
        known = self._keys
        places = np.array([known.setdefault(key, len(known)) for key in names], np.int64)
        if len(known) > len(self._now):
            fresh = len(known) - len(self._now)
            self._now = np.concatenate([self._now, np.zeros((fresh, self._now.shape[1]), np.int64)])
            self._store = self._store.resized(len(known), self._store.size)
        return places

    def _make_room(self, last: int, first: int | None = None) -> None:
        if self._base is None:
            self._base = max(0, (last if first is None else first) - self._depth)
        needed = last - self._base + 2
        if needed > self._store.size:
            self._store = self._store.resized(len(self._keys), max(needed, 2 * self._store.size))

    def _forget(self) -> None:
        excess = self._until - self._origin - 2 * self._depth
        if excess > 0:
            dropped = self._until - self._depth - self._origin
            self._store = self._store.without_first(dropped)
            self._base = self._origin + dropped

    def _frame(self, places: Whole, totals: npt.NDArray[Any]) -> pd.DataFrame:
        names = list(self._keys)
        minutes = places[:, 1] * self.table.grid + self.table.offset
        columns: dict[str, Any] = {
            name: np.array([names[key][part] for key in places[:, 0]], dtype=object)
            for part, name in enumerate(self.table.keys)
        }
        columns["event_timestamp"] = pd.to_datetime(minutes * 60, unit="s", utc=True).as_unit("us")
        width = len(self._totals)
        for feature in self.table.features:
            columns[feature.name] = _feature(feature, self._totals, totals, minutes, width)
        return pd.DataFrame(columns)


class _Slots:
    """Arrays over keys and instants: changes of totals, rows touching, rows told of, traces of change."""

    def __init__(self, keys: int, size: int, totals: int) -> None:
        self.changes = np.zeros((keys, size, totals), np.int64)
        self.touches = np.zeros((keys, size), np.int32)
        self.told = np.zeros((keys, size), np.bool_)
        self.traces = np.zeros((keys, size), np.int64)

    @property
    def size(self) -> int:
        """How many instants there are."""
        return self.changes.shape[1]

    def resized(self, keys: int, size: int) -> "_Slots":
        """Return the same content with room for more keys and instants."""
        wider = _Slots(keys, size, self.changes.shape[2])
        for name, content in vars(self).items():
            vars(wider)[name][tuple(slice(length) for length in content.shape)] = content
        return wider

    def without_first(self, dropped: int) -> "_Slots":
        """Return the content without its first instants."""
        later = _Slots(self.changes.shape[0], self.size - dropped, self.changes.shape[2])
        for name, content in vars(self).items():
            vars(later)[name][:] = content[:, dropped:]
        return later


def _total_names(table: WindowedTable) -> list[str]:
    return [name for span in table.spans for name in span.totals]


def _to_grid(minutes: Whole, grid: int) -> Whole:
    return np.where(minutes < UNKNOWN, -(-minutes // grid), NULL)


def _ceiling(minutes: int, grid: int) -> int:
    return -(-minutes // grid)


def _moment(rows: RowColumns, moment: Moment) -> Whole:
    earliest = np.full(rows.signs.size, NULL, np.int64)
    for column, shift in moment.terms:
        earliest = np.minimum(earliest, rows.numbers[column] + shift)
    return earliest


def _value(rows: RowColumns, value: Value) -> Whole:
    number = np.ones(rows.signs.size, np.int64) if value.column is None else rows.numbers[value.column]
    present = number < UNKNOWN
    if value.minus is not None:
        present, number = present & (rows.numbers[value.minus] < UNKNOWN), number - rows.numbers[value.minus]
    if value.low is not None or value.high is not None:
        number = np.clip(number, value.low, value.high)
    for condition in value.where:
        column = rows.numbers[condition.column]
        present = present & (column < UNKNOWN)
        if condition.low is not None:
            present = present & (column >= condition.low)
        if condition.below is not None:
            present = present & (column < condition.below)
    return np.where(present, number, 0)


def _feature(
    feature: Feature, places: Mapping[str, int], totals: Whole, minutes: Whole, width: int
) -> npt.NDArray[np.float64]:
    shift = width if feature.over_all_keys else 0
    number = totals[:, places[feature.total] + shift].astype(np.float64)
    if feature.per is not None:
        count = totals[:, places[feature.per] + shift].astype(np.float64)
        number = number / np.where(count == 0, np.nan, count)
    return minutes - number if feature.age else number
