"""Windows and aggregations, declared once: tables, views and the live state are all made from these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

Item = TypeVar("Item")
WINDOW = "{window}"


@dataclass(frozen=True)
class Moment:
    """The earliest of some columns of epoch minutes, each shifted by minutes; a null one is passed over."""

    terms: tuple[tuple[str, int], ...]


def at(column: str, shift: int = 0) -> Moment:
    """Return the moment that a column holds, shifted by `shift` minutes."""
    return Moment(((column, shift),))


@dataclass(frozen=True)
class Between:
    """Whether a column lies in `low <= column < below`; a bound that is `None` is open."""

    column: str
    low: int | None = None
    below: int | None = None


@dataclass(frozen=True)
class Value:
    """A whole number of each row: 1, or a column (less another) kept within bounds.

    It is 0 where a condition of `where` fails, and where a column that it reads is null.
    """

    name: str
    column: str | None = None
    minus: str | None = None
    low: int | None = None
    high: int | None = None
    where: tuple[Between, ...] = ()


@dataclass(frozen=True)
class Span:
    """Rows inside at an instant: each enters at one moment and leaves at another, or some minutes later.

    Its totals are its count of rows, under its own name, and the sum of each value, as `<name>_<value>`.
    """

    name: str
    enter: Moment
    leave: Moment | int
    values: tuple[Value, ...] = ()

    @property
    def totals(self) -> dict[str, Value]:
        """The totals by name, the count first."""
        return {self.name: Value("count")} | {f"{self.name}_{value.name}": value for value in self.values}


@dataclass(frozen=True)
class Feature:
    """A number in a row: a total, or the quotient of two (null over an empty window).

    With `age` it is the row's own minute less that quotient. With `over_all_keys` both totals are first
    summed over every key at the same instant, which only a table with a row at every instant can say.
    """

    name: str
    total: str
    per: str | None = None
    age: bool = False
    over_all_keys: bool = False


@dataclass(frozen=True)
class Aggregation:
    """A feature for each window of a stream: `name` carries `{window}`; over all windows unless named."""

    name: str
    how: Literal["count", "sum", "mean", "share"]
    value: Value | None = None
    over: tuple[str, ...] = ()
    over_all_keys: bool = False

    def feature(self, span: str, window: str) -> Feature:
        """Return the feature over one window; a share is the mean of a value that is 1 or 0."""
        total = f"{span}_{self.value.name}" if self.value else span
        per = span if self.how in ("mean", "share") else None
        return Feature(self.name.replace(WINDOW, window), total, per, over_all_keys=self.over_all_keys)


@dataclass(frozen=True)
class Stream:
    """Things that happen at a moment, seen through windows (name: minutes) reaching back from an instant."""

    name: str
    at: Moment
    windows: Mapping[str, int]
    aggregations: tuple[Aggregation, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """One span per window, carrying what its aggregations add up."""
        values = [
            (aggregation.over, aggregation.value) for aggregation in self.aggregations if aggregation.value
        ]
        return tuple(
            Span(
                self._span(window),
                self.at,
                minutes,
                tuple(dict.fromkeys(value for over, value in values if not over or window in over)),
            )
            for window, minutes in self.windows.items()
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """Every aggregation over every window that it names."""
        return tuple(
            aggregation.feature(self._span(window), window)
            for aggregation in self.aggregations
            for window in self.windows
            if not aggregation.over or window in aggregation.over
        )

    def _span(self, window: str) -> str:
        return f"{self.name}_{window}"


@dataclass(frozen=True)
class Reach:
    """From `ahead` minutes before the first moment in a column of epoch minutes to the last one."""

    column: str
    ahead: int


@dataclass(frozen=True)
class WindowedTable:
    """A feature table of windows: one row per key and grid instant at which something entered or left.

    Instants are every `grid` minutes, all moved by `offset` minutes. With `reach` there is a row
    for every key at every instant within it.
    """

    name: str
    keys: tuple[str, ...]
    grid: int
    streams: tuple[Stream, ...]
    levels: tuple[Span, ...] = ()
    level_features: tuple[Feature, ...] = ()
    offset: int = 0
    reach: Reach | None = None

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Every span, declared or expanded."""
        return (*self.levels, *_flat(stream.spans for stream in self.streams))

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Every feature, in the order of the view."""
        return (*self.level_features, *_flat(stream.features for stream in self.streams))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(feature.name for feature in self.features)


def _flat(groups: Iterable[Iterable[Item]]) -> Iterable[Item]:
    return (item for group in groups for item in group)
