"""Nothing that became known after an instant moves a feature at it; a leak put in on purpose is found."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from features.apply import apply_repository
from features.compute.engine import Builder, Sources
from features.contract import read_examples
from features.flight_delay.build import TABLES
from features.flight_delay.raw import RawTables
from features.flight_delay.tables.flight_history import build_flight_history
from features.flight_delay.tables.origin_operations import build_origin_operations
from features.flight_delay.tables.weather import build_weather
from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.flight_delay.features.built_tables import build_tables
from tests.flight_delay.features.conftest import END, START
from tests.flight_delay.features.forgetting import forget

SERVICE = "flight_delay_v1"
SEED, INSTANTS = 20130201, 4
# Everything asked in the hours up to the instant is compared, not only what is asked at it.
COMPARED = timedelta(hours=6)
# An afternoon with much under way, so that there is something to leak.
BUSY = datetime(2013, 2, 8, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    settings = FeatureSettings(var=tmp_path_factory.mktemp("leakage"))
    apply_repository(settings)
    return settings


@pytest.fixture(scope="module")
def instants(days: Path) -> list[datetime]:
    """Instants at which something is asked, drawn by a seed from the second half of the days."""
    asked = read_examples(days, START + timedelta(days=5), END - timedelta(hours=6))["event_timestamp"]
    drawn = np.random.default_rng(SEED).choice(asked.unique(), INSTANTS, replace=False)
    return [moment.to_pydatetime() for moment in sorted(pd.to_datetime(drawn, utc=True))]


@pytest.fixture(scope="module")
def knowing_all(settings: FeatureSettings, raw_days: RawTables, days: Path) -> pd.DataFrame:
    """Every example with its features, built from everything that is known by the end."""
    return build_features(settings, raw_days, read_examples(days, START, END))


def build_features(
    settings: FeatureSettings,
    raw: RawTables,
    examples: pd.DataFrame,
    builders: Mapping[str, Builder] = TABLES,
) -> pd.DataFrame:
    build_tables(raw, settings.tables, builders)
    return historical_features(open_store(settings), SERVICE, examples)


def find_leaks(
    settings: FeatureSettings,
    forgotten: RawTables,
    knowing_all: pd.DataFrame,
    instant: datetime,
    builders: Mapping[str, Builder] = TABLES,
) -> list[str]:
    """Return the columns that differ, at or shortly before `instant`, when built from forgotten raw data."""
    asked = knowing_all["event_timestamp"]
    expected = knowing_all[(asked > instant - COMPARED) & (asked <= instant)].reset_index(drop=True)
    assert len(expected) > 0
    request = expected[read_examples(settings.tables, instant, instant).columns]
    knowing_then = build_features(settings, forgotten, request, builders)
    return [name for name in expected.columns if not expected[name].equals(knowing_then[name])]


def test_deleting_what_was_not_yet_known_changes_no_feature(
    settings: FeatureSettings,
    raw_days: RawTables,
    days: Path,
    knowing_all: pd.DataFrame,
    instants: list[datetime],
) -> None:
    found = {
        instant: find_leaks(settings, forget(raw_days, days, instant), knowing_all, instant)
        for instant in instants
    }
    assert found == {instant: [] for instant in instants}


def unfinished_weather(sources: Sources) -> object:
    weather = sources["weather"]
    return build_weather(weather.mutate(time_hour=weather.time_hour - np.timedelta64(1, "h")))


def arrivals_before_they_happen(sources: Sources) -> object:
    legs = sources["legs"]
    return build_flight_history(legs.mutate(arrived=legs.scheduled - 120))


def departures_at_their_published_time(sources: Sources) -> object:
    legs = sources["legs"]
    return build_origin_operations(legs.mutate(departed=legs.scheduled))


@pytest.mark.parametrize(
    ("table", "leak", "leaking"),
    [
        ("weather.parquet", unfinished_weather, "temp"),
        ("flight_history.parquet", arrivals_before_they_happen, "flight_last_arrival_delay"),
        ("origin_operations.parquet", departures_at_their_published_time, "departure_delay_2h"),
    ],
)
def test_a_leak_put_in_on_purpose_is_found(
    settings: FeatureSettings,
    raw_days: RawTables,
    days: Path,
    table: str,
    leak: Builder,
    leaking: str,
) -> None:
    # Given features built with one leaking table beside sound ones
    copytree(days, settings.tables, dirs_exist_ok=True)
    instant, leaky = BUSY, {table: leak}
    examples = read_examples(days, instant - COMPARED, instant + timedelta(microseconds=1))
    leaked = build_features(settings, raw_days, examples, leaky)

    # When everything later is deleted
    found = find_leaks(settings, forget(raw_days, days, instant), leaked, instant, leaky)

    # Then what leaked is found
    assert leaking in found
