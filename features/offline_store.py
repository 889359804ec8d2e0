"""Feast's offline store as DuckDB `ASOF JOIN` over Parquet: Feast's answers in seconds instead of minutes.

Feast imports this module whenever the repository is opened, also to serve, so DuckDB is imported where used.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from features.errors import UnsupportedRetrievalError
from features.offline_job import AsOfRetrievalJob, Retrieval
from features.view_source import batch_source, used_name, view_source


class AsOfOfflineStoreConfig(FeastConfigBaseModel):
    """`offline_store:` of `feature_store.yaml`. Relative sources are taken from the repository's path."""

    type: str = "features.offline_store.AsOfOfflineStore"


class AsOfOfflineStore(OfflineStore):
    """Point-in-time joins of Parquet file sources with DuckDB, answering as Feast's own file stores do.

    Differences, both on purpose: of rows that tie on key, event time and creation time the last in the file
    wins (Feast leaves it to chance), and an on-demand view sees only the inputs that it declares.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **options: Any,
    ) -> RetrievalJob:
        """Join each view's newest row at or before every entity row's `event_timestamp`, within its TTL.

        Raises:
            UnsupportedRetrievalError: no entity frame, a source that is not a Parquet file, or an option
                that this store does not know.
        """
        if entity_df is None or any(value is not None for value in options.values()):
            raise UnsupportedRetrievalError(
                "retrieval by date range is not supported; pass an entity frame with `event_timestamp`"
            )
        retrieval = Retrieval(
            sources=tuple(_asof_sources(config, feature_views, feature_refs, full_feature_names)),
            entity_rows=entity_df,
            feature_refs=tuple(feature_refs),
            full_feature_names=full_feature_names,
        )
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        return AsOfRetrievalJob(retrieval, on_demand)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Return each key's newest row with `start_date <= event time <= end_date`: what is materialised."""
        from features.offline_scan import Scan, ScanJob

        columns = [*join_key_columns, *feature_name_columns]
        path = source_path(config, data_source)
        scan = Scan(path, tuple(columns), timestamp_field, created_timestamp_column, start_date, end_date)
        return ScanJob(scan.latest_query(join_key_columns))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return every row with `start_date <= event time <= end_date`; no bound where one is not given."""
        from features.offline_scan import Scan, ScanJob

        columns = [*join_key_columns, *feature_name_columns]
        path = source_path(config, data_source)
        scan = Scan(path, tuple(columns), timestamp_field, created_timestamp_column, start_date, end_date)
        return ScanJob(scan.all_query(join_key_columns))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append to the view's Parquet file; readers see the old file or the new one, never a part."""
        from features.offline_scan import append_rows

        append_rows(Path(source_path(config, batch_source(feature_view))), table)
        if progress:
            progress(table.num_rows)


def source_path(config: RepoConfig, source: DataSource) -> str:
    """Return where the source's Parquet lies; a relative path is taken from the repository's path.

    Raises:
        UnsupportedRetrievalError: the source is not a Parquet file.
    """
    if not isinstance(source, FileSource) or getattr(source.file_format, "delta", None):
        raise UnsupportedRetrievalError(
            f"source {getattr(source, 'name', source)!r} is not a Parquet FileSource; write it as Parquet"
        )
    path = str(FileSource.get_uri_for_file_path(config.repo_path, source.path))
    return f"{path}/**/*.parquet" if Path(path).is_dir() else path


def _asof_sources(config: RepoConfig, views: list[FeatureView], refs: list[str], full_names: bool) -> Any:
    for view in views:
        name = used_name(view.projection)
        wanted = dict.fromkeys(ref.split(":", 1)[1] for ref in refs if ref.split(":", 1)[0] == name)
        prefix = f"{name}__" if full_names else ""
        yield view_source(view, source_path(config, batch_source(view)), list(wanted), prefix)
