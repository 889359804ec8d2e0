"""Open Spark: master and memory by settings, every clock UTC, nothing written outside `var`."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from features.errors import SparkUnavailableError
from features.settings import FeatureSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
JAVA_TIMEOUT = 20.0
LOOPBACK = "127.0.0.1"
LOCAL_PARTITIONS = 4


@contextmanager
def open_spark(settings: FeatureSettings) -> Iterator["SparkSession"]:
    """Open a Spark session at `settings.spark_master`; it is stopped at the end.

    A session that this process already has is used as it is, and left open.

    Raises:
        SparkUnavailableError: PySpark is not installed, or Java is missing or too old.
    """
    require_spark()
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    session = running or _start(settings)
    try:
        yield session
    finally:
        if running is None:
            session.stop()


def require_spark() -> None:
    """Check that PySpark is installed and that a Java is there to run it.

    Raises:
        SparkUnavailableError: one of them is not; the message says what to install.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise SparkUnavailableError(
            'PySpark is not installed: run `make env-spark`, or `pip install "roundtrip[spark]"`'
        )
    java = _java_version()
    if java is None:
        raise SparkUnavailableError(
            f"no Java was found: install Java {OLDEST_JAVA} or later and put it on PATH, or set JAVA_HOME"
        )
    if java < OLDEST_JAVA:
        raise SparkUnavailableError(
            f"Java {java} is too old: install Java {OLDEST_JAVA} or later, or point JAVA_HOME at one"
        )


def session_conf(settings: FeatureSettings) -> dict[str, str]:
    """Return what a session is configured with; Spark's own `spark-defaults.conf` may add to it."""
    folder = settings.var / "spark"
    local = {
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.host": LOOPBACK,
        # Spark's 200 take longer to schedule on a few cores than these tables take to sort.
        "spark.sql.shuffle.partitions": str(LOCAL_PARTITIONS),
    }
    return {
        "spark.driver.memory": settings.spark_memory,
        "spark.local.dir": str(folder / "scratch"),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(local if settings.spark_master.startswith("local") else {}),
    }


def _start(settings: FeatureSettings) -> "SparkSession":
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    conf = SparkConf().setAll(list(session_conf(settings).items()))
    session = SparkSession.builder.master(settings.spark_master).appName("features").config(conf=conf)
    started = session.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    return started


def _java_version() -> int | None:
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    try:
        told = subprocess.run(
            [java or "java", "-version"], capture_output=True, text=True, timeout=JAVA_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(found.group(1)) if found else None
