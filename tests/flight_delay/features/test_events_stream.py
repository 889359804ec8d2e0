"""A stream survives kill -9 and restarts: nothing acknowledged is lost, nothing sent again counts twice."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from features import __main__ as commands
from features.errors import EventIdReusedError, EventJournalError, EventsRefusedError, NoStreamError
from features.flight_delay.events.leg_events import Departed, LegEvent
from features.flight_delay.events.replay import read_legs, replay_events
from features.flight_delay.raw import RawTables
from features.offline.historical import historical_features
from features.online.reader import OnlineReader
from features.repository.feature_store import open_store
from features.settings import REPOSITORY, FeatureSettings
from features.streaming.loading import load_stream
from features.streaming.stream import CLOCK_TOLERANCE, EventStream
from tests.features.small_world import REPOSITORY as SMALL_REPOSITORY
from tests.flight_delay.features import event_worlds as worlds
from tests.frames import records

START, END = datetime(2013, 2, 7, 10, tzinfo=UTC), datetime(2013, 2, 8, 4, tzinfo=UTC)
RECEIVED = END + timedelta(days=1)
BATCH, KILLED_AFTER = 100, (4, 9)


@pytest.fixture(scope="module")
def legs(raw_year: RawTables, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return worlds.with_delays(read_legs(raw_year.between(START, END), tmp_path_factory.mktemp("legs")))


@pytest.fixture(scope="module")
def events(legs: pa.Table) -> list[LegEvent]:
    return replay_events(legs)


@pytest.fixture(scope="module")
def empty(legs: pa.Table) -> dict[str, pa.Table]:
    return worlds.emptied(worlds.BatchTables(legs.schema).build(legs.slice(0, 10)))


@pytest.fixture
def settings(tmp_path: Path, empty: dict[str, pa.Table]) -> FeatureSettings:
    return worlds.make_settings(tmp_path, empty)


@pytest.fixture
def stream(settings: FeatureSettings) -> Iterator[EventStream]:
    opened = load_stream(settings)
    yield opened
    opened._journal.close()


def abandon(stream: EventStream) -> None:
    """End as a killed process does: nothing is published or flushed, only the journal's lock is gone."""
    stream._journal.close()


def stored(settings: FeatureSettings) -> dict[str, pd.DataFrame]:
    """The rows that hold in the offline store."""
    frames = {name: pd.read_parquet(settings.tables / f"{name}.parquet") for name in worlds.TABLES}
    return {name: worlds.newest(name, frame) for name, frame in frames.items()}


def assert_same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name][list(frame)], check_exact=True)


def undisturbed(
    events: Sequence[LegEvent], batch: int, end: datetime | None = None
) -> dict[str, pd.DataFrame]:
    """What the engine tells of when it takes the events in so many at a time."""
    instants = [some[-1].sent_at for some in chunks(events, batch)]
    return worlds.final_rows(worlds.run_through(events, [*instants, end] if end else instants))


def chunks(events: Sequence[LegEvent], size: int) -> list[Sequence[LegEvent]]:
    return [events[first : first + size] for first in range(0, len(events), size)]


def test_rows_that_were_not_flushed_are_pushed_after_a_restart(
    settings: FeatureSettings, events: list[LegEvent]
) -> None:
    # Given a stream that flushed half of its events, published more, took in more still, and died
    first, second, third = chunks(events, len(events) // 3 + 1)
    stream = load_stream(settings)
    for some, last in ((first, stream.flush), (second, stream.publish), (third, lambda: None)):
        stream.accept(some, RECEIVED)
        stream.publish() if some is not third else None
        last()
    abandon(stream)

    # When it starts again and everything is sent again
    again = load_stream(settings)
    receipt = again.accept(events, RECEIVED)
    again.publish(END + worlds.RUNS_EMPTY)
    again.close()

    # Then
    assert (receipt.accepted, receipt.duplicates) == (0, len(events))
    assert_same(stored(settings), undisturbed(events, len(first), END + worlds.RUNS_EMPTY))


def test_what_is_forgotten_by_the_journal_is_not_missed(
    settings: FeatureSettings, events: list[LegEvent]
) -> None:
    # Given a stream whose journal has forgotten legs long over
    stream, later = load_stream(settings), END + timedelta(days=20)
    stream.accept(events, RECEIVED)
    stream.publish(later)
    stream.flush()
    held = [entry for entry in stream._journal.read() if entry.event_id]
    stream.publish(later + timedelta(days=1))
    stream.close()

    # When it starts again, then repetitions are known and what comes too late is refused
    again = load_stream(settings)
    assert not held
    assert again.accept(events[:50], RECEIVED).duplicates == 50
    with pytest.raises(EventsRefusedError, match="too long ago"):
        again.accept([events[-1].model_copy(update={"event_id": "new"})], RECEIVED)
    abandon(again)


def test_a_correction_replaces_in_both_stores_what_was_pushed_before(
    settings: FeatureSettings, legs: pa.Table, events: list[LegEvent], tmp_path: Path
) -> None:
    # Given departures that come when everything else has long been pushed to both stores
    late = [event for event in events if isinstance(event, Departed) and "-JFK-" in event.leg]
    stream = load_stream(settings)
    stream.accept([event for event in events if event not in late], RECEIVED)
    stream.publish(END)
    stream.flush()

    # When they come
    stream.accept(late, RECEIVED)
    stream.publish()
    stream.close()

    # Then history is what the batch build makes, and so is what is served
    built = worlds.make_settings(tmp_path / "built", worlds.BatchTables(legs.schema).build(legs))
    asked = legs.to_pandas().sample(300, random_state=3)[["origin", "carrier", "dest", "tailnum"]]
    instants = [events[-1].sent_at] * 200 + [END - timedelta(hours=hour) for hour in range(10)] * 10
    questions = asked.assign(event_timestamp=instants).reset_index(drop=True)
    pushed, expected = (
        historical_features(open_store(one), worlds.SERVICE, questions) for one in (settings, built)
    )
    pd.testing.assert_frame_equal(pushed, expected, check_exact=True)
    assert len(pd.read_parquet(settings.tables / "carrier_operations.parquet")) > len(
        stored(settings)["carrier_operations"]
    )
    assert_served(settings, expected.iloc[:200])


def test_events_of_before_fill_the_windows_of_a_table_that_goes_on(
    legs: pa.Table, events: list[LegEvent], tmp_path: Path
) -> None:
    # Given tables that were built up to an afternoon
    afternoon = pa.scalar(START + timedelta(hours=9), pa.timestamp("us", "UTC"))
    built = worlds.BatchTables(legs.schema).build(legs)
    known = legs.filter(pc.less(legs["scheduled"], afternoon.cast("int64").as_py() // 60_000_000))
    settings = worlds.make_settings(tmp_path, worlds.BatchTables(legs.schema).build(known))

    # When events go on from there, with those of the day so far to fill the windows
    stream = load_stream(settings)
    stream.push_from(afternoon.as_py())
    stream.accept(events[: len(events) // 3], RECEIVED)
    stream.publish()
    abandon(stream)
    again = load_stream(settings)
    again.push_from(afternoon.as_py())
    again.accept(events, RECEIVED)
    again.publish(END + worlds.RUNS_EMPTY)
    with pytest.raises(EventJournalError, match="before the first event"):
        again.push_from(START)
    again.close()

    # Then from there on the tables are as if built of the whole day
    for name, frame in stored(settings).items():
        expected = worlds.in_order(name, built[name], frame)
        later, expected = (
            rows[rows[worlds.AT] >= afternoon.as_py()].reset_index(drop=True) for rows in (frame, expected)
        )
        pd.testing.assert_frame_equal(later, expected, check_exact=True)
        assert len(frame) > len(later) > 0


def assert_served(settings: FeatureSettings, expected: pd.DataFrame) -> None:
    rows = records(expected)
    answers = OnlineReader(settings, worlds.SERVICE).read(rows, [row["event_timestamp"] for row in rows])
    for answer, row in zip(answers, rows, strict=True):
        for name, value in answer.values.items():
            assert value == row[name] or (value is None and pd.isna(row[name])), name


def test_the_newest_row_is_served_at_once(
    stream: EventStream, settings: FeatureSettings, events: list[LegEvent]
) -> None:
    upto = events[: len(events) // 2]
    stream.accept(upto, RECEIVED)
    stream.publish()
    asked = upto[-1].sent_at
    expected = undisturbed(upto, len(upto))["origin_operations"].groupby("origin").last()

    (served,) = OnlineReader(settings, worlds.SERVICE).read(
        [{"origin": "JFK", "carrier": "DL", "dest": "LAX", "tailnum": "N1"}], [asked]
    )

    assert served.values["backlog"] == expected.loc["JFK", "backlog"]
    assert served.values["region_backlog"] == expected.loc["JFK", "region_backlog"]


def test_one_stream_at_a_time(stream: EventStream, settings: FeatureSettings) -> None:
    with pytest.raises(EventJournalError, match="another process takes events in"):
        load_stream(settings)


def test_an_id_names_one_event(stream: EventStream, events: list[LegEvent]) -> None:
    one, other = events[:2]
    renamed = other.model_copy(update={"event_id": one.event_id})
    with pytest.raises(EventIdReusedError, match="taken for another event"):
        stream.accept([one, renamed], RECEIVED)
    assert stream.accept([one, one], RECEIVED).accepted == 1
    with pytest.raises(EventIdReusedError, match="taken for another event"):
        stream.accept([renamed], RECEIVED)


def test_what_was_sent_after_now_is_refused_with_all_that_came_with_it(
    stream: EventStream, events: list[LegEvent]
) -> None:
    one, other = events[0], events[-1]
    with pytest.raises(EventsRefusedError) as refused:
        stream.accept([one, other], other.sent_at - CLOCK_TOLERANCE - timedelta(seconds=1))
    (refusal,) = refused.value.refusals
    assert (refusal.index, refusal.field, refusal.code) == (1, "sent_at", "in_the_future")
    assert stream.accept([one, other], other.sent_at).accepted == 2


def test_a_repository_without_a_stream_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoStreamError, match=r"stream\.py"):
        load_stream(FeatureSettings(var=tmp_path, feature_repo=SMALL_REPOSITORY))


def test_events_of_the_raw_data_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    period = ["--start", "2013-02-07T12:00Z", "--end", "2013-02-07T13:00Z"]
    printed = CliRunner().invoke(commands.app, ["replay-events", *period])
    assert printed.exit_code == 0, printed.output
    lines = printed.stdout.splitlines()
    assert len(lines) > 100
    assert all('"type":"' in line for line in lines)


def test_a_file_counts_once_however_often_it_is_taken_in(
    settings: FeatureSettings, events: list[LegEvent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(settings.var))
    monkeypatch.setenv("ROUNDTRIP_FEATURE_REPO", str(settings.feature_repo))
    file = tmp_path / "events.jsonl"
    file.write_text("".join(event.model_dump_json() + "\n\n" for event in events[:5]))

    taken_in = ["stream", str(file), "--batch", "3", "--push-from", "2014-01-01T00:00Z"]
    first, second = (CliRunner().invoke(commands.app, taken_in).stdout for _ in range(2))

    assert first == "3 accepted, 0 known before\n2 accepted, 0 known before\n"
    assert second == "0 accepted, 3 known before\n0 accepted, 2 known before\n"


def start_consumer(settings: FeatureSettings, file: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "ROUNDTRIP_VAR": str(settings.var),
        "ROUNDTRIP_FEATURE_REPO": str(settings.feature_repo),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "features", "stream", str(file), "--batch", str(BATCH)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment)


def kill_after(consumer: subprocess.Popen[str], batches: int) -> int:
    """Kill -9 once so many batches are acknowledged; return how many events were."""
    assert consumer.stdout is not None
    acknowledged = [consumer.stdout.readline() for _ in range(batches)]
    consumer.kill()
    acknowledged += consumer.stdout.readlines()
    consumer.wait()
    return sum(sum(map(int, re.findall(r"\d+", line)[:2])) for line in acknowledged)


@pytest.mark.slow
def test_kill_9_in_mid_stream_loses_and_doubles_nothing(
    settings: FeatureSettings, events: list[LegEvent], tmp_path: Path
) -> None:
    # Given a consumer that is killed again and again, and sent the same file each time
    file = tmp_path / "events.jsonl"
    file.write_text("".join(event.model_dump_json() + "\n" for event in events))
    for batches in KILLED_AFTER:
        acknowledged = kill_after(start_consumer(settings, file), batches)
        with closing(sqlite3.connect(settings.events_journal)) as journal:
            kept = journal.execute("SELECT count(*) FROM entries WHERE event_id IS NOT NULL").fetchone()[0]
        assert batches * BATCH <= acknowledged <= kept <= len(events)

    # When it is left to end
    consumer = start_consumer(settings, file)
    printed, _ = consumer.communicate()

    # Then every event was taken in once, and both stores have what they have undisturbed
    assert consumer.returncode == 0
    accepted, known = (
        sum(map(int, found)) for found in zip(*re.findall(r"(\d+) accepted, (\d+)", printed), strict=True)
    )
    assert (known >= acknowledged, accepted + known) == (True, len(events))
    assert_same(stored(settings), undisturbed(events, BATCH))
