"""A thousand seeded flights over all months, many chosen because their features are hard to get right."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from tests.flight_delay.recompute_world import World, minutes

TOTAL = 1_000
SEED = 2013
MONTHS = 12
ZONE = "America/New_York"
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure")
CLOCK_CHANGES = ("2013-03-10", "2013-11-03")
FIRST_DAY = "2013-01-01"

# How many of each kind to draw, in all; kinds that come together by the month are drawn month by month.
KINDS = {
    "aircraft long away": 96,
    "flight number long unused": 48,
    "no aircraft named": 72,
    "weather incomplete": 96,
    "first sight of an aircraft": 48,
    "aircraft never heard of": 96,
    "before the first departure": 120,
    "day of clock change": 24,
    "first day": 24,
}

Mask = npt.NDArray[np.bool_]


def choose_cases(examples: pd.DataFrame, world: World) -> pd.DataFrame:
    """Return `TOTAL` examples in time order, of every kind in `KINDS` and otherwise drawn over the months.

    `examples` as in the examples table. Aircraft that were never heard of are made up; nothing else is.
    """
    hints = _hints(examples, world)
    free = np.ones(len(examples), dtype=bool)
    chosen: list[pd.DataFrame] = []
    for kind, number in {**KINDS, "any": TOTAL - sum(KINDS.values())}.items():
        drawn = _spread(examples[hints[kind] & free], number)
        free[drawn.index] = False
        chosen.append(drawn.assign(kind=kind))
    cases = pd.concat(chosen)
    made_up = cases["kind"] == "aircraft never heard of"
    cases["tailnum"] = cases["tailnum"].mask(made_up, "N0" + cases["tailnum"])
    return cases.sort_values(["event_timestamp", "example_id"], ignore_index=True)


def _spread(pool: pd.DataFrame, number: int) -> pd.DataFrame:
    """Draw by month as evenly as the pool allows: the first of every month, then the second, and so on."""
    shuffled = pool.sample(frac=1.0, random_state=SEED)
    turn = shuffled.groupby(_local_departure(shuffled).dt.month).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[:number]]


def _hints(examples: pd.DataFrame, world: World) -> Mapping[str, Mask]:
    """Where each kind is likely, by the raw files alone; what it really is shows in the answers."""
    local = _local_departure(examples)
    day = local.dt.tz_localize(None).dt.normalize()
    tail = examples["tailnum"]
    leg_gap = _days_since_last(examples, ["tailnum"])
    masks = {
        "aircraft long away": leg_gap > 4,
        "flight number long unused": _days_since_last(examples, ["carrier", "flight", "dest"]) > 16,
        "no aircraft named": tail.isna(),
        "weather incomplete": _weather_incomplete(examples, world),
        "first sight of an aircraft": tail.notna() & leg_gap.isna() & ~tail.isin(list(world.planes)),
        "aircraft never heard of": tail.notna(),
        "before the first departure": local.dt.hour <= 6,
        "day of clock change": day.isin(pd.to_datetime(CLOCK_CHANGES)),
        "first day": day == pd.Timestamp(FIRST_DAY),
        "any": tail.notna(),
    }
    return {kind: mask.to_numpy(dtype=bool) for kind, mask in masks.items()}


def _local_departure(examples: pd.DataFrame) -> pd.Series:
    return examples["scheduled_departure"].dt.tz_convert(ZONE)


def _days_since_last(examples: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Days between a flight's published departure and that of the one before it with the same keys."""
    departures = examples.sort_values("scheduled_departure").groupby(keys)["scheduled_departure"]
    return departures.diff().dt.total_seconds().reindex(examples.index) / 86_400


def _weather_incomplete(examples: pd.DataFrame, world: World) -> pd.Series:
    rows = pd.concat(world.weather.values())
    gaps = rows[rows[list(MEASURES)].isna().any(axis="columns")]
    newest = pd.MultiIndex.from_arrays([examples["origin"], minutes(examples["event_timestamp"]) // 60 * 60])
    return pd.Series(newest.isin(pd.MultiIndex.from_frame(gaps[["origin", "known"]])), examples.index)
