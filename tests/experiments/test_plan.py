"""The replay's plan: drawn before anything is scored, stratified, and the same for the same seed."""

from datetime import timedelta
from itertools import pairwise

import pandas as pd
import pytest

from experiments.replay.plan import Plan, make_plan


@pytest.fixture(scope="module")
def instants() -> pd.Series:
    return pd.Series(pd.date_range("2013-01-01 05:00", "2013-06-30 22:00", freq="7min", tz="UTC"))


def plan_of(instants: pd.Series, seed: int = 1, hours: int = 1, weeks: int | None = None) -> Plan:
    return make_plan(instants, timedelta(days=85), seed, hours, weeks)


def test_the_first_training_starts_a_month_after_the_warm_up(instants: pd.Series) -> None:
    assert plan_of(instants).first_training == pd.Timestamp("2013-04-01", tz="UTC")


def test_a_short_history_trains_on_the_first_midnight_after_the_warm_up() -> None:
    instants = pd.Series(pd.date_range("2013-01-10", "2013-01-28", freq="1h", tz="UTC"))

    plan = make_plan(instants, timedelta(days=7, hours=5), 1, 1)

    assert plan.first_training == pd.Timestamp("2013-01-18", tz="UTC")


def test_weeks_cover_every_whole_day_after_the_first_training_once(instants: pd.Series) -> None:
    weeks = plan_of(instants).weeks

    assert weeks[0].start == pd.Timestamp("2013-04-01", tz="UTC")
    assert weeks[-1].end == pd.Timestamp("2013-06-30", tz="UTC")
    assert all(left.end == right.start for left, right in pairwise(weeks))


def test_every_week_and_hour_of_day_gives_the_same_number_of_hours(instants: pd.Series) -> None:
    plan = plan_of(instants, hours=2)
    hours = pd.Series(sorted(plan.online_hours))

    whole = [week for week in plan.weeks if week.end - week.start == timedelta(days=7)]
    for week in whole:
        within = hours[(hours >= week.start) & (hours < week.end)]
        assert within.groupby(within.dt.hour).size().tolist() == [2] * 24


def test_at_least_a_tenth_is_served_online(instants: pd.Series) -> None:
    plan = plan_of(instants)
    relived = instants[instants >= plan.first_training]

    assert plan.online(relived).mean() >= 0.1


def test_the_draw_follows_the_seed_alone(instants: pd.Series) -> None:
    assert plan_of(instants, seed=1) == plan_of(instants, seed=1)
    assert plan_of(instants, seed=1).online_hours != plan_of(instants, seed=2).online_hours


def test_fewer_weeks_can_be_relived(instants: pd.Series) -> None:
    plan = plan_of(instants, weeks=2)

    assert len(plan.weeks) == 2
    assert max(plan.online_hours) < plan.weeks[1].end
