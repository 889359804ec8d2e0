"""The feature tables from Spark: rows, columns and types are those from DuckDB, on days and on the year."""

import shutil
import stat
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.apply import apply_repository
from features.compute.spark_engine import spark_engine
from features.compute.spark_session import OLDEST_JAVA, open_spark
from features.contract import read_examples
from features.errors import SparkUnavailableError
from features.flight_delay.build import TABLES
from features.flight_delay.raw import RawTables
from features.lineage.graph import read_graph
from features.lineage.names import Dataset, project_of, table_name
from features.offline.historical import historical_features
from features.repository.build import put_in_place
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.flight_delay.features.built_tables import build_tables
from tests.flight_delay.features.conftest import END, START
from tests.flight_delay.features.tables_equal import layout_of, rows_in, rows_missing

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

YEAR_TIMEOUT = 1_200


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FeatureSettings:
    return FeatureSettings(var=tmp_path_factory.mktemp("spark"))


@pytest.fixture(scope="module")
def spark_days(settings: FeatureSettings, spark: None) -> Path:
    """The tables of the ten days, built by the command."""
    period = ["--start", START.isoformat(), "--end", END.isoformat()]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROUNDTRIP_VAR", str(settings.var))
        built = CliRunner().invoke(app, ["build", *period, "--engine", "spark"])
    assert built.exit_code == 0, built.output
    return settings.tables


@pytest.mark.parametrize("name", TABLES)
def test_ten_days_are_the_same_rows(name: str, days: Path, spark_days: Path) -> None:
    assert layout_of(spark_days / name) == layout_of(days / name)
    assert rows_in(spark_days / name) == rows_in(days / name)
    assert rows_missing(days / name, spark_days / name) == 0


@pytest.mark.slow
@pytest.mark.timeout(YEAR_TIMEOUT)
def test_the_whole_year_is_the_same_rows(raw_year: RawTables, settings: FeatureSettings) -> None:
    by_duckdb, by_spark = settings.var / "year-duckdb", settings.var / "year-spark"
    build_tables(raw_year, by_duckdb)
    build_tables(raw_year, by_spark, engine=spark_engine(settings))
    assert {name: layout_of(by_spark / name) for name in TABLES} == {
        name: layout_of(by_duckdb / name) for name in TABLES
    }
    different = {
        name: (
            rows_missing(by_duckdb / name, by_spark / name),
            rows_missing(by_spark / name, by_duckdb / name),
        )
        for name in TABLES
    }
    assert different == dict.fromkeys(TABLES, (0, 0))


def test_lineage_knows_the_files_behind_spark_s_tables_too(
    settings: FeatureSettings, spark_days: Path
) -> None:
    graph = read_graph(settings.lineage_file)
    for name in TABLES:
        table = Dataset(project_of(settings), table_name(name))
        step = graph.made_by(table)
        assert step is not None
        assert step.inputs, name
        assert step.rows[table] == rows_in(spark_days / name)


def test_timestamps_are_written_in_microseconds_of_utc(spark_days: Path) -> None:
    for name in TABLES:
        for part in (spark_days / name).glob("*.parquet"):
            instants = [str(field.type) for field in pq.read_schema(part) if "timestamp" in str(field.type)]
            assert set(instants) <= {"timestamp[us, tz=UTC]"}, name


def test_examples_that_are_a_folder_read_as_those_that_are_a_file(days: Path, spark_days: Path) -> None:
    assert read_examples(spark_days, START, END).equals(read_examples(days, START, END))


def test_the_asof_store_answers_from_folders_as_from_files(
    settings: FeatureSettings, spark_days: Path, days: Path, tmp_path: Path
) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "tables").symlink_to(days)
    questions = read_examples(days, START, END)
    answers = []
    for world in (settings, FeatureSettings(var=tmp_path)):
        apply_repository(world)
        answers.append(historical_features(open_store(world), "flight_delay_v1", questions))
    from_folders, from_files = answers
    pd.testing.assert_frame_equal(from_folders, from_files)


def test_a_build_replaces_whatever_kind_of_table_was_there(
    spark_days: Path, days: Path, tmp_path: Path
) -> None:
    tables, built = tmp_path / "tables", tmp_path / "built"
    tables.mkdir()
    for source in (days, spark_days, spark_days, days):
        built.mkdir()
        copy = shutil.copytree if (source / "weather.parquet").is_dir() else shutil.copy
        copy(source / "weather.parquet", built / "weather.parquet")
        placed = put_in_place(built / "weather.parquet", tables)
        assert placed.is_dir() == (source == spark_days)
        assert rows_missing(days / "weather.parquet", placed) == 0
        shutil.rmtree(built)


def test_a_java_that_is_missing_or_too_old_is_said(
    settings: FeatureSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SparkUnavailableError, match=f"no Java was found: install Java {OLDEST_JAVA}"):
        open_spark(settings).__enter__()
    _write_java(tmp_path / "bin" / "java", version="1.8.0_392")
    with pytest.raises(SparkUnavailableError, match="Java 8 is too old"):
        open_spark(settings).__enter__()


def _write_java(path: Path, version: str) -> None:
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    path.chmod(stat.S_IRWXU)
