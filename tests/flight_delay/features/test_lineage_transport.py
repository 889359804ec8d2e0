"""Where events go: a file, a server, nowhere; and that nothing fails when they cannot go there."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any

import pytest

from features.compute.duckdb_engine import open_duckdb
from features.errors import LineageError, RawDataError, UnreadableSettingError
from features.flight_delay.raw import RAW_FILES, RawTables, find_raw_dir
from features.lineage.building import recorded_build
from features.lineage.diagram import edges_behind
from features.lineage.event_files import KEPT, open_event_files
from features.lineage.graph import read_graph
from features.lineage.names import BUILD_JOB, Dataset
from features.lineage.run import recorded_run
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.lineage_events import read_events
from tests.features.small_world import REPOSITORY, build_world
from tests.features.small_world import START as BEGINNING
from tests.flight_delay.features.built_tables import build_tables
from tests.flight_delay.features.conftest import START
from tests.repository.sources import ROOT

JOB = "mow"
MADE = Dataset("garden", "hay")
FEWER_DAYS = datetime(2013, 2, 3, 5, tzinfo=UTC)
RAW_PATHS = {name: find_raw_dir() / file for name, file in RAW_FILES.items()}


def record_one(settings: FeatureSettings) -> None:
    with recorded_run(settings, JOB) as run:
        run.inputs[Dataset("garden", "grass")] = {}
        run.outputs[MADE] = {}


def small_settings(var: Path, lineage: str) -> FeatureSettings:
    return FeatureSettings(var=var, lineage=lineage, feature_repo=REPOSITORY)


@contextmanager
def lineage_server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that keeps what is posted to it."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def test_by_default_events_are_lines_of_a_file_under_var(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path, feature_repo=REPOSITORY)
    record_one(settings)
    record_one(settings)
    states = [event["eventType"] for event in read_events(tmp_path / "lineage" / "events.jsonl")]
    assert states == ["START", "COMPLETE"] * 2


def kept_events(settings: FeatureSettings) -> list[dict[str, Any]]:
    with open_event_files(settings.lineage_file) as files:
        return [json.loads(line) for file in files for line in file]


def test_the_files_of_events_do_not_grow_for_ever_and_keep_the_newest(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path, feature_repo=REPOSITORY, lineage_file_bytes=3_000)
    emitted = []
    for _ in range(30):  # of three events a file: the tenth is set aside, too
        with recorded_run(settings, JOB) as run:
            emitted += [run.run_id] * 2
    sizes = [each.stat().st_size for each in settings.lineage_file.parent.iterdir()]
    assert len(sizes) == KEPT + 1
    assert max(sizes) <= settings.lineage_file_bytes
    kept = [event["run"]["runId"] for event in kept_events(settings)]
    assert len(kept) > KEPT * 2
    assert kept == emitted[-len(kept) :]


def test_the_graph_goes_on_across_files(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path, feature_repo=REPOSITORY, lineage_file_bytes=1)
    record_one(settings)
    milk, cheese = Dataset("garden", "milk"), Dataset("garden", "cheese")
    for read, made in ((MADE, milk), (milk, cheese)):
        with recorded_run(settings, "feed") as run:
            run.inputs[read], run.outputs[made] = {}, {}
    assert len(list(settings.lineage_file.parent.iterdir())) == KEPT + 1
    assert edges_behind(read_graph(settings.lineage_file), cheese) == [(milk, cheese), (MADE, milk)]


EMITTER = """
import sys
from pathlib import Path

from features.lineage import event_files

event_files.KEPT = 1_000
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    line = f'{{"event": "{sys.argv[2]}-{number}", "long": "{"x" * 10_000}"}}'  # more than a file's buffer
    event_files.append_event(Path(sys.argv[1]), f"{line}\\n".encode(), 30_000)
"""


def test_processes_that_emit_at_once_lose_nothing_and_tear_no_line(tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path)
    command = [sys.executable, "-c", EMITTER, str(settings.lineage_file)]
    emitters = [Popen([*command, name], cwd=ROOT, stdin=PIPE, stdout=PIPE) for name in "ab"]
    for each in emitters:
        assert each.stdout
        assert each.stdout.readline() == b"ready\n"
    for each in emitters:
        assert each.stdin
        each.stdin.close()
    assert [each.wait() for each in emitters] == [0, 0]
    recorded = [event["event"] for event in kept_events(settings)]
    assert sorted(recorded) == sorted(f"{name}-{number}" for name in "ab" for number in range(200))


def test_off_writes_nothing(tmp_path: Path) -> None:
    record_one(small_settings(tmp_path, "off"))
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(UnreadableSettingError, match="ROUNDTRIP_LINEAGE"):
        FeatureSettings(lineage="somewhere")


def test_a_server_gets_the_events_of_the_room_and_of_feast(tmp_path: Path) -> None:
    with lineage_server() as (address, received):
        world = build_world(tmp_path / "world", lineage=address)
        open_store(world).materialize(BEGINNING, BEGINNING + timedelta(days=2))
        record_one(world)
    jobs = [event["job"]["name"] for event in received]
    assert "feature_view_readings" in jobs
    assert jobs.count("materialize_small") == jobs.count(JOB) == 2
    assert not world.lineage_file.exists()


@pytest.mark.parametrize("broken", ["file", "http://127.0.0.1:9"])
def test_a_transport_that_is_broken_is_a_warning_and_nothing_more(
    broken: str, raw_days: RawTables, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = FeatureSettings(var=tmp_path, lineage=broken)
    settings.lineage_file.mkdir(parents=True)
    with recorded_build(settings, RAW_PATHS, open_duckdb) as engine:
        written = build_tables(raw_days.between(START, FEWER_DAYS), settings.tables, engine=engine)
    assert all(path.is_file() for path in written)
    warnings = [record for record in caplog.records if record.name == "features.lineage"]
    assert {record.levelno for record in warnings} == {logging.WARNING}
    assert "lineage could not be recorded" in warnings[0].message


def test_a_server_that_is_away_is_waited_for_once_by_a_registry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_world(tmp_path, lineage="http://127.0.0.1:9")
    failed = [record for record in caplog.records if "Failed to emit OpenLineage event" in record.message]
    assert len(failed) == 1
    assert "events of the registry were not recorded" in caplog.text


def test_a_repository_without_a_name_does_not_stop_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record_one(FeatureSettings(var=tmp_path, feature_repo=tmp_path / "nowhere"))
    assert "does not say `project: <name>`" in caplog.text


def test_a_build_that_fails_says_so_and_wrote_nothing(raw_days: RawTables, tmp_path: Path) -> None:
    settings = FeatureSettings(var=tmp_path)
    nothing = raw_days.between(FEWER_DAYS, FEWER_DAYS)
    with (
        pytest.raises(RawDataError, match="holds no flight"),
        recorded_build(settings, RAW_PATHS, open_duckdb) as engine,
    ):
        build_tables(nothing, settings.tables, engine=engine)
    events = read_events(settings.lineage_file)
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        (BUILD_JOB, "START"),
        (BUILD_JOB, "FAIL"),
    ]
    assert "holds no flight" in events[-1]["run"]["facets"]["errorMessage"]["message"]


def test_a_line_that_is_no_event_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = small_settings(tmp_path, "file")
    record_one(settings)
    with settings.lineage_file.open("a") as events:
        events.write('{"eventType": "COMPL')
    assert read_graph(settings.lineage_file).made_by(MADE) is not None
    assert "line 3 is no event" in caplog.text


def test_what_was_never_recorded_is_said_with_what_was(tmp_path: Path) -> None:
    settings = small_settings(tmp_path, "file")
    with pytest.raises(LineageError, match="build, apply and train"):
        read_graph(settings.lineage_file)
    record_one(settings)
    graph = read_graph(settings.lineage_file)
    with pytest.raises(LineageError, match=r"'straw'; recorded are \['hay'\]"):
        graph.find("straw")
    with pytest.raises(LineageError, match="no model version was recorded"):
        graph.model(None)
    with pytest.raises(LineageError, match="no model version 7 was recorded"):
        graph.model("7")
