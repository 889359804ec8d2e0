"""Run table expressions on Spark: raw tables staged as Parquet, each built table a folder of Parquet files.

What Spark's SQL lacks of the expressions' needs is declared here, once, so that no table is written twice.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from features.compute.clocks import ZONE_FUNCTION
from features.compute.engine import Builder, Engine, Sources, Write
from features.compute.spark_session import open_spark
from features.settings import FeatureSettings

if TYPE_CHECKING:
    from ibis.backends.pyspark import Backend

DECLARE_ZONE_FUNCTION = (
    f"CREATE OR REPLACE TEMPORARY FUNCTION {ZONE_FUNCTION}(zone STRING, clock TIMESTAMP) "
    "RETURNS TIMESTAMP RETURN to_utc_timestamp(clock, zone)"
)


def spark_engine(settings: FeatureSettings) -> Engine:
    """Return the engine that builds on `settings.spark_master`.

    The folder that tables are built in must be one that every executor sees: with a master elsewhere, let
    `var` lie on a shared file system.

    Raises, when opened:
        SparkUnavailableError: PySpark is not installed, or Java is missing or too old.
    """

    @contextmanager
    def open_sources(
        raw: Mapping[str, pa.Table], intermediate: Mapping[str, Builder], scratch: Path
    ) -> Iterator[tuple[Sources, Write]]:
        with open_spark(settings) as session:
            backend = ibis.pyspark.connect(session)
            # Feast's Spark store turns this on in whatever session it finds: quoted names become patterns.
            session.conf.set("spark.sql.parser.quotedRegexColumnNames", "false")
            session.sql(DECLARE_ZONE_FUNCTION)
            sources = {name: _stage(backend, table, scratch, name) for name, table in raw.items()}
            for name, builder in intermediate.items():
                write_table(backend, builder(sources), scratch / name)
                sources[name] = _read(backend, scratch / name)
            yield sources, _writer(backend)

    return open_sources


def write_table(backend: "Backend", table: ir.Table, folder: Path) -> None:
    """Run the expression and write its rows as Parquet files under `folder`."""
    backend.raw_sql(backend.compile(table)).write.parquet(folder.as_uri())


def _writer(backend: "Backend") -> Write:
    def write(table: ir.Table, folder: Path) -> None:
        write_table(backend, table, folder)

    return write


def _stage(backend: "Backend", table: pa.Table, scratch: Path, name: str) -> ir.Table:
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{name}.parquet"
    pq.write_table(table, path)
    return _read(backend, path)


def _read(backend: "Backend", path: Path) -> ir.Table:
    return backend.read_parquet(path.as_uri(), table_name=f"features_{path.stem}")
