"""Which engine computes the tables, by its name."""

from enum import StrEnum

from features.engine import Engine, open_duckdb
from features.settings import FeatureSettings


class EngineName(StrEnum):
    """What `--engine` of the build takes."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def choose_engine(name: EngineName, settings: FeatureSettings) -> Engine:
    """Return the engine of that name; Spark's master and memory come from the settings."""
    if name is EngineName.DUCKDB:
        return open_duckdb
    from features.cluster.engine import spark_engine

    return spark_engine(settings)
