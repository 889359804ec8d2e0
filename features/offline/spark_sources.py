"""Feast views read by Spark: the same definitions, their files as Spark sources."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from feast import Entity, FeatureService, FeatureView, FileSource, OnDemandFeatureView, PushSource
from feast.data_source import DataSource

from features.compute.spark_session import require_spark

KINDS = (DataSource, Entity, FeatureService, FeatureView, OnDemandFeatureView)


def read_on_spark(defined: Mapping[str, object], tables: Path) -> dict[str, Any]:
    """Return copies of a definitions module's Feast objects whose file sources are Spark sources.

    A relative path is taken from `tables`: Spark, unlike Feast's file sources, knows no repository path.

    Raises:
        SparkUnavailableError: PySpark is not installed, or Java is missing or too old.
    """
    require_spark()
    objects = deepcopy({name: found for name, found in defined.items() if isinstance(found, KINDS)})
    for holder in _holders(objects.values()):
        if isinstance(holder.batch_source, FileSource):
            holder.batch_source = _spark_source(holder.batch_source, tables)
    return {name: found for name, found in objects.items() if not isinstance(found, FileSource)}


def _holders(objects: Iterable[Any]) -> Iterator[Any]:
    """Yield everything that has a batch source: views, their push sources, and projections of views."""
    for found in objects:
        if isinstance(found, FeatureView):
            yield from (found, found.projection)
            yield from [found.stream_source] if isinstance(found.stream_source, PushSource) else []
        elif isinstance(found, PushSource):
            yield found
        elif isinstance(found, FeatureService):
            yield from found.feature_view_projections
        elif isinstance(found, OnDemandFeatureView):
            yield from found.source_feature_view_projections.values()


def _spark_source(source: FileSource, tables: Path) -> DataSource:
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The spark data source API is an experimental", RuntimeWarning)
        return SparkSource(
            name=source.name,
            path=str(tables / source.path),
            file_format="parquet",
            timestamp_field=source.timestamp_field,
            created_timestamp_column=source.created_timestamp_column,
            field_mapping=source.field_mapping,
            description=source.description,
            tags=source.tags,
            owner=source.owner,
        )
