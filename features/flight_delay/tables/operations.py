"""What operations tables are made of: departures, arrivals, backlog and schedule as declared windows."""

from collections.abc import Mapping
from typing import Final

from features.windows.windowed_table import Aggregation, Between, Feature, Moment, Span, Stream, Value, at

LATE: Final = 15
# One flight that is ten hours late says no more about the next than one that is three hours late.
EARLIEST, LATEST = -30, 180
# A flight that has not left this long after its time is taken as cancelled: nothing records the moment.
BACKLOG_PATIENCE: Final = 360

DEPARTURE_DELAY = Value("delay", "dep_delay", low=EARLIEST, high=LATEST)
LATE_DEPARTURE = Value("late", where=(Between("dep_delay", low=LATE),))
ARRIVAL_DELAY = Value("delay", "arr_delay", low=EARLIEST, high=LATEST)
LATE_ARRIVAL = Value("late", where=(Between("arr_delay", low=LATE),))

# Scheduled up to the instant, not gone by then. Its sum is that of their scheduled minutes.
BACKLOG = Span(
    "backlog",
    enter=at("scheduled"),
    leave=Moment((("departed", 0), ("scheduled", BACKLOG_PATIENCE))),
    values=(Value("since", "scheduled"),),
)


def departures(windows: Mapping[str, int], *aggregations: Aggregation) -> Stream:
    """Return the stream of departures, each counted from its own minute on."""
    return Stream("departures", at("departed"), windows, aggregations)


def arrivals(windows: Mapping[str, int], *aggregations: Aggregation) -> Stream:
    """Return the stream of arrivals, each counted from its own minute on."""
    return Stream("arrivals", at("arrived"), windows, aggregations)


def scheduled(name: str, first: int, last: int) -> Span:
    """Return what is scheduled `first` to `last` minutes after the instant."""
    return Span(name, enter=at("scheduled", -last), leave=at("scheduled", -first))


RECENTLY_SCHEDULED = scheduled("scheduled_recently", -BACKLOG_PATIENCE, 0)


def backlog_share(name: str) -> Feature:
    """Return the backlog as a share of what was scheduled within the patience; needs both levels."""
    return Feature(name, BACKLOG.name, per=RECENTLY_SCHEDULED.name)
