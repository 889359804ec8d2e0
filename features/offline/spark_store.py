"""Feast's own Spark offline store: its session from the settings, its answers in the rows' order.

Feast 0.67 takes the keys ("a", "bc") and ("ab", "c") at one instant for one row, since it tells rows apart
by keys written one after the other; here they are written with a separator. What stays as Feast made it:
instants come back without their zone, in UTC; whole numbers with gaps come back as floats; and it leaves
`spark.sql.parser.quotedRegexColumnNames` on in the session.
"""

import warnings
from typing import Any

import pandas as pd
import pyspark.sql
from feast import FeatureView
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
)
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig
from pydantic import Field

from features.compute.spark_session import session_conf
from features.settings import FeatureSettings

ROW = "__row"
# The unit separator, which no key holds. A null key is skipped, and a row with one matches nothing anyway.
JOIN_KEYS, JOIN_KEYS_APART = "CONCAT(", "CONCAT_WS('\\u001f', "


def _configured() -> dict[str, str]:
    settings = FeatureSettings()
    return {"spark.master": settings.spark_master, **session_conf(settings)}


class OrderedSparkOfflineStoreConfig(SparkOfflineStoreConfig):
    """`offline_store:` of `feature_store.yaml`; a `spark_conf` there replaces what the settings give."""

    type: str = "features.offline.spark_store.OrderedSparkOfflineStore"
    spark_conf: dict[str, str] | None = Field(default_factory=_configured)


class OrderedSparkOfflineStore(SparkOfflineStore):
    """Feast's point-in-time SQL on Spark; a session that is already active is used as it is.

    Unlike Feast's own, it leaves the caller's frame as it was and answers in that frame's order.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | pyspark.sql.DataFrame | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **options: Any,
    ) -> RetrievalJob:
        """Join each view's newest row at or before every entity row's `event_timestamp`, within its TTL."""
        rows = entity_df
        if isinstance(entity_df, pd.DataFrame):
            rows = entity_df.assign(**{ROW: range(len(entity_df))})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The spark offline store is an experimental", RuntimeWarning)
            job = SparkOfflineStore.get_historical_features(
                config,
                feature_views,
                feature_refs,
                rows,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp,
                **options,
            )
        return ClusterRetrievalJob(job)


class ClusterRetrievalJob(SparkRetrievalJob):
    """Feast's retrieval with its rows told apart, and in the order of the entity frame; joins keep none."""

    def __init__(self, job: RetrievalJob) -> None:
        vars(self).update(vars(job))
        self.query = self.query.replace(JOIN_KEYS, JOIN_KEYS_APART)

    def to_spark_df(self) -> pyspark.sql.DataFrame:
        """Run the join; the number of a frame's row orders it and goes."""
        answered = super().to_spark_df()
        return answered.orderBy(ROW).drop(ROW) if ROW in answered.columns else answered
