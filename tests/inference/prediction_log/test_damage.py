"""A full disk, another version, a damaged file: the log names it, and loses nothing that was whole."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.settings import Settings
from inference.prediction_log.errors import (
    CorruptLogError,
    LogWriteError,
    UnknownLogVersionError,
)
from inference.prediction_log.schema import (
    VERSION_KEY,
    log_folder,
)
from inference.prediction_log.segment import (
    VERSION,
    Layout,
    Segment,
    segments,
)
from tests.inference.logged_lines import LAYOUT, entry, open_log, read_ids, sealed_files, with_features

SHORT = Layout(LAYOUT.keys, LAYOUT.features[:1])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def test_a_full_disk_leaves_the_segment_whole(settings: Settings) -> None:
    segment = Segment.create(log_folder(settings), LAYOUT)
    segment.append([entry("a")])
    broken = os.open("/dev/full", os.O_WRONLY)
    os.dup2(broken, segment._descriptor)

    with pytest.raises(LogWriteError, match="space"):
        segment.append([entry("b")])
    segment.close()

    assert read_ids(settings) == ["a"]


def test_a_segment_that_cannot_be_written_is_followed_by_another(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    (segment,) = log._segments._places[0].segments._open
    os.dup2(os.open("/dev/full", os.O_WRONLY), segment._descriptor)

    log.append([entry("b")], LAYOUT)

    assert read_ids(settings) == ["a", "b"]
    # One that is sealed just now lies there both ways, under one name.
    written = (*segments(log_folder(settings)), *sealed_files(settings))
    assert len({path.stem for path in written}) == 2


def test_an_unknown_schema_version_is_refused(settings: Settings) -> None:
    open_log(settings).append([entry("a")], LAYOUT)
    (segment,) = segments(log_folder(settings))
    known, unknown = (f'"schema_version":{version}' for version in (VERSION, VERSION + 1))
    segment.write_text(segment.read_text().replace(known, unknown))

    with pytest.raises(UnknownLogVersionError, match=segment.name):
        read_ids(settings)


def test_an_unknown_schema_version_of_a_sealed_file_is_refused(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    log.close()
    (path,) = sealed_files(settings)
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: b"99"}), path)

    with pytest.raises(UnknownLogVersionError, match="99"):
        read_ids(settings)


@pytest.mark.parametrize("content", [b"not a header\n", b'{"schema_version":%d}\n' % VERSION, b"\n"])
def test_a_corrupt_segment_is_named_and_does_not_stop_the_writer(settings: Settings, content: bytes) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    log.close()
    corrupt = log_folder(settings) / "journal" / "20240501-bad.jsonl"
    corrupt.write_bytes(content)

    with pytest.raises(CorruptLogError, match=corrupt.name):
        read_ids(settings)
    restarted = open_log(settings)
    assert restarted.append([entry("b")], LAYOUT)
    restarted.close()

    assert corrupt.name in str(restarted.last_error)
    assert corrupt.exists()


def test_a_line_of_another_layout_is_named(settings: Settings) -> None:
    Segment.create(log_folder(settings), LAYOUT).append([with_features(entry("a"), (1.0,), SHORT)])
    (segment,) = segments(log_folder(settings))

    with pytest.raises(CorruptLogError, match=segment.name):
        read_ids(settings)


def test_a_truncated_sealed_file_is_named(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    log.close()
    (path,) = sealed_files(settings)
    path.write_bytes(path.read_bytes()[:-50])

    with pytest.raises(CorruptLogError, match=path.name):
        read_ids(settings)


def test_a_column_that_changed_its_type_is_named(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    log.close()
    (path,) = sealed_files(settings)
    table = pq.read_table(path, partitioning=None)
    position = table.schema.get_field_index("feature.cars")
    changed = table.set_column(position, "feature.cars", pa.array(["many"]))
    pq.write_table(changed, path.with_name("other.parquet"))

    with pytest.raises(CorruptLogError, match=r"feature\.cars"):
        read_ids(settings)
