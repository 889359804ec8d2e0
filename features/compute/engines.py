"""Which engine computes the tables, by its name."""

from enum import StrEnum

from features.compute.duckdb_engine import open_duckdb
from features.compute.engine import Engine
from features.settings import FeatureSettings


class EngineName(StrEnum):
    """What `--engine` of the build takes."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def choose_engine(name: EngineName, settings: FeatureSettings) -> Engine:
    """Return the engine of that name; Spark's master and memory come from the settings."""
    if name is EngineName.DUCKDB:
        return open_duckdb
    from features.compute.spark_engine import spark_engine

    return spark_engine(settings)
