"""Raw files to feature tables: each is written beside its predecessor, swapped in when all are sound."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from features.compute.duckdb_engine import open_duckdb
from features.compute.engine import Builder, Engine
from features.declarations import read_declared
from features.lineage.building import recorded_build
from features.quality.built import CheckBuilt, open_built_check
from features.quality.expectation import Expectation
from features.settings import FeatureSettings

BUILD_FILE: Final = "build.py"


@dataclass(frozen=True)
class RawData:
    """The raw tables of a period, by name.

    `known_until` (UTC) is when they last knew what had happened, `latest` the end of what they speak of.
    """

    tables: Mapping[str, pa.Table]
    known_until: datetime
    latest: datetime


@dataclass(frozen=True)
class TableBuild:
    """What `build.py` of a feature repository says as `BUILD`.

    `find_folder` takes the configured folder of raw files, if any, and returns the one to read. `files` names
    the file there of each raw table. `read` takes that folder and a period's two ends (UTC, `None` is open).
    `intermediate` is computed from the raw tables, each once; `tables` (by file name) from both.
    """

    find_folder: Callable[[Path | None], Path]
    files: Mapping[str, str]
    read: Callable[[Path, datetime | None, datetime | None], RawData]
    tables: Mapping[str, Builder]
    expectations: Mapping[str, Expectation]
    intermediate: Mapping[str, Builder] = field(default_factory=dict)


def read_build(settings: FeatureSettings) -> TableBuild:
    """Return what `build.py` of `settings.feature_repo` declares.

    Raises:
        RepositoryError: there is no such file, or it has no `BUILD`.
    """
    return read_declared(settings.feature_repo / BUILD_FILE, "BUILD", TableBuild)


def run_build(
    settings: FeatureSettings,
    start: datetime | None = None,
    end: datetime | None = None,
    engine: Engine = open_duckdb,
) -> list[Path]:
    """Build the repository's tables from the raw files of a period, and record it for lineage.

    Raises:
        RepositoryError: the repository declares no build.
        RawDataError: a raw file is missing or damaged, or the period holds nothing.
        TableQualityError: a built table is not what it must be.
        Either way the tables that were there before are untouched.
    """
    build = read_build(settings)
    raw_dir = build.find_folder(settings.raw_dir)
    files = {name: raw_dir / file for name, file in build.files.items()}
    with recorded_build(settings, files, engine) as recording:
        return build_tables(build, build.read(raw_dir, start, end), settings.tables, recording)


def build_tables(build: TableBuild, raw: RawData, tables: Path, engine: Engine) -> list[Path]:
    """Build every table into the folder `tables`; return the files (or folders of files) in place.

    What each table shows is added to `quality.jsonl` beside the folder, and the rows that a table was refused
    for lie in `quarantine` there.

    Raises:
        TableQualityError: a built table is not what it must be; those that were there are untouched.
    """
    tables.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=tables.parent, prefix=".building-") as folder,
        open_built_check(build.expectations, tables.parent, raw.known_until, raw.latest) as check,
    ):
        built = _build_into(Path(folder), build, raw, engine, check)
        return [put_in_place(path, tables) for path in built]


def _build_into(
    folder: Path, build: TableBuild, raw: RawData, engine: Engine, check: CheckBuilt
) -> list[Path]:
    with engine(raw.tables, build.intermediate, folder / "scratch") as (sources, write):
        for name, builder in build.tables.items():
            write(builder(sources), folder / name)
            check(folder / name)
    return [folder / name for name in build.tables]


def put_in_place(built: Path, tables: Path) -> Path:
    """Move a built table over its predecessor, and return where it is now.

    A file replaces a file in one step. Where either is a folder, the predecessor is moved aside first.
    """
    target = tables / built.name
    if target.is_dir() or (target.exists() and built.is_dir()):
        shutil.move(target, built.with_name(f"{built.name}.before"))
    return built.replace(target)
