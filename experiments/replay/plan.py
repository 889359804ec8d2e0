"""Which weeks are relived, and which of their hours are served online: drawn before anything is scored."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Week:
    """One window of the replay, start inclusive and end exclusive, in UTC."""

    number: int
    start: pd.Timestamp
    end: pd.Timestamp


@dataclass(frozen=True)
class Plan:
    """The moment of the first training, the weeks after it, and the hours that are served online."""

    first_training: pd.Timestamp
    weeks: tuple[Week, ...]
    online_hours: frozenset[pd.Timestamp]

    def online(self, instants: pd.Series) -> pd.Series:
        """Whether each prediction instant falls into an hour that is served online."""
        drawn: pd.Series = instants.dt.floor("h").isin(self.online_hours)
        return drawn


def make_plan(
    instants: pd.Series, warm_up: timedelta, seed: int, hours_per_stratum: int, weeks: int | None = None
) -> Plan:
    """Plan a replay of examples with these prediction instants (UTC).

    The first training is the first midnight that starts a month after `warm_up`.
    """
    first = first_training(instants.min(), instants.max(), warm_up)
    spans = tuple(split_weeks(first, instants.max()))[:weeks]
    return Plan(first, spans, frozenset(draw_hours(instants, spans, seed, hours_per_stratum)))


def first_training(oldest: pd.Timestamp, newest: pd.Timestamp, warm_up: timedelta) -> pd.Timestamp:
    """The first midnight that starts a month once `warm_up` has passed; any midnight when no month does."""
    ready = (oldest + warm_up).ceil("D")
    month = ready if ready.day == 1 else (ready + pd.offsets.MonthBegin(1))
    return month if month < newest else ready


def split_weeks(start: pd.Timestamp, newest: pd.Timestamp) -> list[Week]:
    """Windows of seven days from `start`, the last cut at the newest midnight: whole days are relived."""
    end = newest.floor("D")
    starts = pd.date_range(start, end, freq=WEEK, inclusive="left")
    return [Week(number, left, min(left + WEEK, end)) for number, left in enumerate(starts, start=1)]


def draw_hours(
    instants: pd.Series, weeks: tuple[Week, ...], seed: int, hours_per_stratum: int
) -> list[pd.Timestamp]:
    """Draw hours stratified by week and hour of day: so many of the (up to seven) hours of each stratum."""
    random = np.random.default_rng(seed)
    hours = pd.Series(sorted(instants.dt.floor("h").unique()))
    drawn: list[pd.Timestamp] = []
    for week in weeks:
        within = hours[(hours >= week.start) & (hours < week.end)]
        for _, stratum in within.groupby(within.dt.hour):
            count = min(hours_per_stratum, len(stratum))
            drawn += list(random.choice(stratum.to_numpy(dtype=object), count, replace=False))
    return drawn
