"""Events in any order, late and repeated, give what the batch build makes of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.flight_delay.events.leg_events import LegEvent
from features.flight_delay.events.replay import read_legs, replay_events
from features.flight_delay.raw import RawTables
from tests.flight_delay.features import event_worlds as worlds

WEEK = timedelta(days=7)
SEED, FEW, MANY = 20130101, 4, 100
# A part of each week's flights: whether they are all there is the same to the engine and to the batch build.
SHARE = 0.1
LATE_SHARE, LATEST = 0.5, timedelta(days=3)
REPEATED_SHARE = 0.2


@pytest.fixture(scope="module")
def legs(raw_year: RawTables, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return worlds.with_delays(read_legs(raw_year, tmp_path_factory.mktemp("legs")))


@pytest.fixture(scope="module")
def batch(legs: pa.Table) -> worlds.BatchTables:
    return worlds.BatchTables(legs.schema)


def draw_week(legs: pa.Table, random: np.random.Generator) -> pa.Table:
    """Some of the flights of a week that begins at a random minute of the year."""
    scheduled = legs["scheduled"]
    first = int(random.integers(pc.min(scheduled).as_py(), pc.max(scheduled).as_py() - 7 * 1440))
    week = legs.filter(pc.and_(pc.greater_equal(scheduled, first), pc.less(scheduled, first + 7 * 1440)))
    return week.filter(pa.array(random.random(week.num_rows) < SHARE))


def delay(events: Sequence[LegEvent], random: np.random.Generator) -> tuple[list[LegEvent], list[datetime]]:
    """Let half of the events arrive up to days late, and a fifth of them once more."""
    again = [event for event in events if random.random() < REPEATED_SHARE]
    arriving = [
        (event.sent_at + random.random() * LATEST * (random.random() < LATE_SHARE), place, event)
        for place, event in enumerate([*events, *again])
    ]
    arriving.sort(key=lambda item: item[:2])
    return [event for _, _, event in arriving], [moment for moment, _, _ in arriving]


def moments(events: Sequence[LegEvent], random: np.random.Generator) -> list[datetime]:
    """Random instants to advance to, and one when everything has arrived and run out."""
    start, end = events[0].sent_at, events[-1].sent_at
    span: Any = end - start
    drawn = start + np.sort(random.random(10)) * span
    return [*drawn, end + LATEST + worlds.RUNS_EMPTY]


def assert_holds(name: str, told: pd.DataFrame, built: pd.DataFrame) -> None:
    """Every built row was told; what was told besides repeats what holds then, so that no look-up differs."""
    keys = [*worlds.KEYS[name], worlds.AT]
    both = built.merge(told[keys], on=keys, how="left", indicator=True)
    assert (both["_merge"] == "both").all()
    holding = pd.merge_asof(
        told[keys].sort_values(worlds.AT),
        built.sort_values(worlds.AT),
        on=worlds.AT,
        by=worlds.KEYS[name],
    )
    holding = holding[list(told)].sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(told, holding, check_exact=True)


def check_week(legs: pa.Table, batch: worlds.BatchTables, seed: int) -> int:
    """Relive one week in order and out of order; return how many rows were told of more than once."""
    random = np.random.default_rng(seed)
    week = draw_week(legs, random)
    events = replay_events(week)
    instants = moments(events, random)
    built = batch.build(week)
    ordered = worlds.final_rows(worlds.run_through(events, instants))
    frames = worlds.run_through(*reordered(events, instants, random))
    shuffled = worlds.final_rows(frames)
    for name in worlds.TABLES:
        expected = worlds.in_order(name, built[name], ordered[name])
        assert_holds(name, ordered[name], expected)
        assert_holds(name, shuffled[name], expected)
    told = sum(len(frame) for by_view in frames for frame in by_view.values())
    return told - sum(map(len, shuffled.values()))


def reordered(
    events: Sequence[LegEvent], instants: list[datetime], random: np.random.Generator
) -> tuple[list[LegEvent], list[datetime], list[datetime]]:
    delayed, arriving = delay(events, random)
    return delayed, instants, arriving


@pytest.mark.parametrize("weeks", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_weeks_in_any_order(weeks: int, legs: pa.Table, batch: worlds.BatchTables) -> None:
    corrected = [check_week(legs, batch, SEED + number) for number in range(weeks)]
    assert min(corrected) > 0
