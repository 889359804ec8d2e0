"""Damaged raw files are refused by name, and the tables built before stay as they were."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from features.errors import RawDataError
from features.flight_delay.raw import find_raw_dir, read_raw
from features.repository.build import run_build
from features.settings import FeatureSettings

FLIGHTS, WEATHER, PLANES = "flights.csv.zip", "weather.csv", "planes.csv"


def cut_zip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_zip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(bytes(content))


def empty_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w"):
        pass


def cut_inside_a_field(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def cut_inside_a_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:100]) + lines[100][:20] + b"\n")


def spoil_a_number(path: Path) -> None:
    path.write_text(path.read_text().replace("39.02", "warm", 1))


def drop_a_column(path: Path) -> None:
    path.write_text(path.read_text().replace("seats", "chairs", 1))


def keep_only_the_header(path: Path) -> None:
    path.write_text(path.read_text().splitlines()[0] + "\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def delete(path: Path) -> None:
    path.unlink()


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_raw_dir(), tmp_path / "raw"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (FLIGHTS, cut_zip),
        (FLIGHTS, flip_zip),
        (FLIGHTS, empty_zip),
        (FLIGHTS, delete),
        (WEATHER, cut_inside_a_field),
        (WEATHER, cut_inside_a_line),
        (WEATHER, spoil_a_number),
        (WEATHER, empty),
        (PLANES, drop_a_column),
        (PLANES, keep_only_the_header),
        (PLANES, delete),
    ],
)
def test_a_damaged_file_is_named_and_earlier_tables_stay(
    raw_dir: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    # Given tables of an earlier build, and one damaged raw file
    tables = FeatureSettings(var=tmp_path / "var").tables
    tables.mkdir(parents=True)
    (tables / "weather.parquet").write_bytes(b"of an earlier build")
    damage(raw_dir / name)

    # When building again
    with pytest.raises(RawDataError, match=name) as refused:
        run_build(FeatureSettings(var=tmp_path / "var", raw_dir=raw_dir))

    # Then the message says what to do, and nothing else is there
    assert "ROUNDTRIP_RAW_DIR" in str(refused.value)
    assert [path.name for path in tables.iterdir()] == ["weather.parquet"]
    assert (tables / "weather.parquet").read_bytes() == b"of an earlier build"
    assert [path.name for path in tables.parent.iterdir()] == ["tables"]


def test_a_period_without_flights_is_refused(tmp_path: Path) -> None:
    # Given a period that ends before the data begins
    from datetime import UTC, datetime

    end = datetime(2012, 1, 1, tzinfo=UTC)

    # When, then
    with pytest.raises(RawDataError, match="no flight"):
        run_build(FeatureSettings(var=tmp_path), end=end)


def test_the_configured_folder_wins_over_the_package(tmp_path: Path) -> None:
    assert find_raw_dir(tmp_path) == tmp_path
    assert read_raw(find_raw_dir()).airlines.num_rows > 0
