"""Without Spark: the error says what to install, and the rest of the room does not need it."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.compute.duckdb_engine import open_duckdb
from features.compute.engines import EngineName, choose_engine
from features.compute.spark_session import open_spark, session_conf
from features.errors import SparkUnavailableError
from features.settings import FeatureSettings


def test_a_missing_pyspark_is_said_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(
        SparkUnavailableError, match=r"`make env-spark`, or `pip install \"roundtrip\[spark\]\"`"
    ):
        open_spark(FeatureSettings()).__enter__()


def test_the_build_command_says_it_too_and_leaves_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    refused = CliRunner().invoke(app, ["build", "--engine", "spark"])
    assert isinstance(refused.exception, SparkUnavailableError)
    assert not list(FeatureSettings().tables.iterdir())


def test_the_default_engine_is_duckdb() -> None:
    assert choose_engine(EngineName.DUCKDB, FeatureSettings()) is open_duckdb


def test_an_engine_that_does_not_exist_is_refused() -> None:
    refused = CliRunner().invoke(app, ["build", "--engine", "abacus"])
    assert refused.exit_code == 2
    assert "abacus" in refused.output


def test_only_a_local_master_is_bound_to_this_machine() -> None:
    assert session_conf(FeatureSettings())["spark.driver.host"] == "127.0.0.1"
    assert "spark.driver.host" not in session_conf(FeatureSettings(spark_master="spark://head:7077"))
