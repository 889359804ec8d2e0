"""Real days replayed as events give, through both stores, what the batch build gives; nothing leaks."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.flight_delay.events import leg_processor
from features.flight_delay.events.leg_events import LegEvent
from features.flight_delay.events.replay import read_legs, replay_events
from features.flight_delay.raw import RawTables
from features.flight_delay.tables.carrier_operations import CARRIER_OPERATIONS
from features.offline.historical import historical_features
from features.online.reader import OnlineReader
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.streaming.loading import load_stream
from features.windows.windowed_table import at
from tests.flight_delay.features import event_worlds as worlds
from tests.frames import records

# The day before the snowstorm and the day of it.
START, END = datetime(2013, 2, 7, 5, tzinfo=UTC), datetime(2013, 2, 9, 5, tzinfo=UTC)
SAMPLED, ASKED = 12, 150
SEED = 4
Served = Mapping[str, object]


@pytest.fixture(scope="module")
def legs(raw_year: RawTables, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return read_legs(raw_year.between(START, END), tmp_path_factory.mktemp("legs"))


@pytest.fixture(scope="module")
def events(legs: pa.Table) -> list[LegEvent]:
    return replay_events(legs)


@pytest.fixture(scope="module")
def batch(legs: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    """A repository over the tables that the batch build makes of those days."""
    known = worlds.with_delays(legs)
    tables = worlds.BatchTables(known.schema).build(known)
    return worlds.make_settings(tmp_path_factory.mktemp("batch"), tables)


@pytest.fixture(scope="module")
def questions(legs: pa.Table) -> pd.DataFrame:
    """Keys asked about at each of some instants of the two days."""
    random = np.random.default_rng(SEED)
    minutes = np.sort(random.choice(int((END - START) / timedelta(minutes=1)), SAMPLED, replace=False))
    keys = legs.select(["origin", "carrier", "dest", "tailnum"]).to_pandas()
    asked = [
        keys.sample(ASKED, random_state=place).assign(event_timestamp=START + timedelta(minutes=int(minute)))
        for place, minute in enumerate(minutes)
    ]
    return pd.concat(asked, ignore_index=True).astype({"event_timestamp": "datetime64[us, UTC]"})


@pytest.fixture(scope="module")
def expected(batch: FeatureSettings, questions: pd.DataFrame) -> pd.DataFrame:
    return historical_features(open_store(batch), worlds.SERVICE, questions)


@pytest.fixture(scope="module")
def relived(
    batch: FeatureSettings,
    events: list[LegEvent],
    questions: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[FeatureSettings, list[Served]]:
    """A repository that began empty and was sent the days, and what was served at each instant on the way."""
    tables = {name: pa.parquet.read_table(batch.tables / f"{name}.parquet") for name in worlds.TABLES}
    settings = worlds.make_settings(tmp_path_factory.mktemp("streamed"), worlds.emptied(tables))
    stream, reader = load_stream(settings), OnlineReader(settings, worlds.SERVICE)
    served, place = list[Served](), 0
    for instant, asked in questions.groupby("event_timestamp"):
        assert isinstance(instant, pd.Timestamp)
        upto = sum(event.sent_at <= instant for event in events)
        if upto > place:
            stream.accept(events[place:upto], END)
        stream.publish(instant.to_pydatetime())
        place = upto
        rows = records(asked)
        served += [answer.values for answer in reader.read(rows, [instant.to_pydatetime()] * len(rows))]
    stream.accept(events[place:], END + worlds.RUNS_EMPTY)
    stream.publish(END + worlds.RUNS_EMPTY)
    stream.close()
    return settings, served


def same(one: object, other: object) -> bool:
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, other)]
    return all(missing) if any(missing) else one == other


def test_what_is_served_is_what_the_batch_build_knows_then(
    relived: tuple[FeatureSettings, list[Served]], expected: pd.DataFrame
) -> None:
    _, served = relived
    known = expected.to_dict("records")

    differing = [
        (row["event_timestamp"], name, value, row[name])
        for answer, row in zip(served, known, strict=True)
        for name, value in answer.items()
        if not same(value, row[name])
    ]

    assert not differing
    assert len(served) == SAMPLED * ASKED
    assert expected["departure_delay_2h"].notna().mean() > 0.3
    assert expected["aircraft_status"].nunique() > 2


def test_history_is_what_the_batch_build_has(
    relived: tuple[FeatureSettings, list[Served]], questions: pd.DataFrame, expected: pd.DataFrame
) -> None:
    settings, _ = relived
    pushed = historical_features(open_store(settings), worlds.SERVICE, questions)
    pd.testing.assert_frame_equal(pushed, expected, check_exact=True)


@pytest.mark.parametrize("name", worlds.TABLES)
def test_every_row_is_that_of_the_batch_build(
    name: str, relived: tuple[FeatureSettings, list[Served]], batch: FeatureSettings
) -> None:
    streamed, built = (
        pd.read_parquet(settings.tables / f"{name}.parquet") for settings in (relived[0], batch)
    )
    streamed = worlds.newest(name, streamed)
    ordered = built[list(streamed)].sort_values([*worlds.KEYS[name], worlds.AT], ignore_index=True)
    pd.testing.assert_frame_equal(streamed, ordered, check_exact=True)


def rows_until(events: list[LegEvent], instant: datetime) -> dict[str, pd.DataFrame]:
    """The rows at or before an instant, after all events are in."""
    steps = worlds.every(timedelta(hours=6), START - timedelta(days=1), END + worlds.RUNS_EMPTY)
    rows = worlds.final_rows(worlds.run_through(events, steps))
    return {name: frame[frame[worlds.AT] <= instant].reset_index(drop=True) for name, frame in rows.items()}


def find_leaks(events: list[LegEvent], instant: datetime) -> set[str]:
    """Return the features whose rows up to the instant depend on what was sent after it."""
    knowing_all = rows_until(events, instant)
    knowing_then = rows_until([event for event in events if event.sent_at <= instant], instant)
    return {
        column
        for name, frame in knowing_all.items()
        for column in frame.columns
        if not frame[column].equals(knowing_then[name][column])
    }


@pytest.mark.parametrize("hours", [15, 41])
def test_what_was_sent_later_changes_no_row(events: list[LegEvent], hours: int) -> None:
    assert find_leaks(events, START + timedelta(hours=hours)) == set()


def test_a_leak_put_in_on_purpose_is_found(events: list[LegEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    # Given departures that count from their published time on
    (departures,) = CARRIER_OPERATIONS.streams
    early = replace(departures, at=at("scheduled"))
    leaking = replace(CARRIER_OPERATIONS, streams=(early,))
    tables = [leaking if table is CARRIER_OPERATIONS else table for table in leg_processor.TABLES]
    monkeypatch.setattr(leg_processor, "TABLES", tables)

    # When what was sent later is forgotten, then they are found
    assert "carrier_departure_delay_1h" in find_leaks(events, START + timedelta(hours=41))
