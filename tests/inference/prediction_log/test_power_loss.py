"""What a loss of power leaves: a log that can be read and, where asked for, all that was acknowledged."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import httpx
import pytest

from features.settings import Settings
from inference.prediction_log.errors import LogWriteError, TornSegmentError
from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import Segment, read_segment, segments
from inference.prediction_log.writer import PredictionLog
from inference.settings import InferenceSettings
from tests.inference.logged_lines import LAYOUT, NEVER, entry, open_log, read_ids
from tests.inference.running import running_server, wait_until
from tests.inference.world import NOON, instance

CALLERS = 12


class Disk:
    """The real disk, whose syncs can be held up or fail; it keeps the order of writes and syncs."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.error: OSError | None = None
        self.free = Event()
        self.free.set()
        self._write, self._sync = os.write, os.fdatasync
        patch.setattr(os, "write", self.write)
        patch.setattr(os, "fdatasync", self.sync)

    def write(self, descriptor: int, data: bytes) -> int:
        if "journal" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            self.done.append("write")
        return self._write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.free.wait()
        if self.error is not None:
            raise self.error
        self._sync(descriptor)
        self.done.append("sync")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.free.set()


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def open_durable(settings: Settings, fallback: Path | None = None) -> PredictionLog:
    return PredictionLog(log_folder(settings), 10_000, NEVER, 100, fallback=fallback, durability="power")


def test_an_answer_waits_for_the_disk_and_nobody_else_does(
    settings: InferenceSettings, champion: str, disk: Disk
) -> None:
    with running_server(settings.model_copy(update={"log_durability": "power"})) as client:
        ask = partial(_ask, client)
        ask(-1)
        disk.free.clear()
        disk.done.clear()
        with ThreadPoolExecutor(CALLERS) as pool:
            asking = [pool.submit(ask, number) for number in range(CALLERS)]
            wait_until(lambda: len(read_ids(settings, NOON)) == CALLERS + 1, "the lines")

            assert client.get("/health/live").status_code == 200
            assert not any(map(Future.done, asking))
            disk.free.set()
            assert {response.result().status_code for response in asking} == {200}

    assert disk.done[-1] == "sync"
    assert disk.done.count("sync") <= 3  # the first one's, and the one that the others share


def _ask(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/v1/predict", json=instance(request_id=f"r{number}"))


def test_every_line_is_synced_before_it_is_acknowledged(log_settings: Settings, disk: Disk) -> None:
    log = open_durable(log_settings)
    for name in ("a", "b"):
        log.append([entry(name)], LAYOUT)
        assert disk.done[-1] == "sync"
    disk.done.clear()
    log.append([entry("a")], LAYOUT)  # a retry of what is safe
    assert "write" not in disk.done
    log.close()


def test_what_could_not_be_synced_is_not_acknowledged_nor_is_its_retry(
    log_settings: Settings, disk: Disk
) -> None:
    log = open_durable(log_settings)
    log.append([entry("safe")], LAYOUT)
    disk.error = OSError(5, "Input/output error")
    with pytest.raises(LogWriteError, match="Input/output"):
        log.append([entry("a", value=0.1)], LAYOUT)
    assert "synced" in str(log.last_error)
    disk.error = None

    wait_until(lambda: _is_taken(log), "the folder to be tried again")
    (line,) = log.append([entry("a", value=0.9)], LAYOUT)

    assert line.prediction == 0.9
    assert len(segments(log_folder(log_settings))) == 2
    log.close()


def _is_taken(log: PredictionLog) -> bool:
    try:
        return bool(log.append([entry("probe")], LAYOUT))
    except LogWriteError:
        return False


def test_every_prefix_of_a_segment_gives_its_whole_lines(log_settings: Settings) -> None:
    segment = Segment.create(log_folder(log_settings), LAYOUT)
    for name in ("a", "b", "c"):
        segment.append([entry(name)])
    segment.close()
    content = segment.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]

    for length in range(len(content) + 1):
        segment.path.write_bytes(content[:length])
        whole = sum(end <= length for end in ends)
        if whole:
            assert [line.request_id for line in read_segment(segment.path)[1]] == ["a", "b", "c"][: whole - 1]
        else:
            with pytest.raises(TornSegmentError, match=segment.path.name):
                read_segment(segment.path)


@pytest.mark.parametrize("content", [b"", b'{"schema_ver', bytes(4_096)])
def test_a_torn_segment_is_read_around_set_aside_and_counted(log_settings: Settings, content: bytes) -> None:
    log = open_log(log_settings)
    log.append([entry("a")], LAYOUT)
    torn = log_folder(log_settings) / "journal" / "20240501T000000000000-cafe.jsonl"
    torn.write_bytes(content)

    assert read_ids(log_settings) == ["a"]
    restarted = open_log(log_settings)
    restarted.append([entry("b")], LAYOUT)

    assert restarted.torn_segments == 1
    assert torn.with_suffix(".torn").read_bytes() == content
    assert "torn" in str(restarted.torn)
    assert read_ids(log_settings) == ["a", "b"]
    for each in (log, restarted):
        each.close()


def test_a_torn_segment_is_said_by_the_service(settings: InferenceSettings, champion: str) -> None:
    journal = log_folder(settings) / "journal"
    journal.mkdir(parents=True, exist_ok=True)
    (journal / "20240501T000000000000-cafe.jsonl").touch()

    with running_server(settings) as client:
        wait_until(lambda: "torn" in client.get("/health/ready").text, "the warning")
        assert "roundtrip_log_torn_segments 1.0" in client.get("/metrics").text
