"""Feast's offline store as DuckDB `ASOF JOIN` over Parquet: Feast's answers in seconds instead of minutes.

Feast imports this module whenever the repository is opened, also to serve, so DuckDB is imported where used.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureStore, FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import PositiveInt

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import AsOfSource
from features.offline.checks import declared_families, source_layout
from features.offline.engine import DEFAULT_MEMORY_LIMIT, DEFAULT_SLICE_ROWS, Engine
from features.offline.files import locate_files, parquet_source
from features.offline.job import AsOfRetrievalJob, Retrieval
from features.offline.range import key_bounds, keys_in_range
from features.offline.scan import Scan, ScanJob
from features.offline.view_source import view_source
from features.offline.write import append_rows, write_logs
from features.schema.views import batch_source, declared_schema, used_name


class AsOfOfflineStoreConfig(FeastConfigBaseModel):
    """`offline_store:` of `feature_store.yaml`. Relative sources are taken from the repository's path.

    `memory_limit`: what DuckDB may hold (such as `4GB`) before it spills to a folder of its own under
    `temp_directory` (the system's, if not set). `threads`: all cores, if not set. `slice_rows`: how many
    entity rows are joined at a time, and held at a time where the answer is streamed.
    """

    type: str = "features.offline.store.AsOfOfflineStore"
    memory_limit: str = DEFAULT_MEMORY_LIMIT
    temp_directory: str | None = None
    threads: PositiveInt | None = None
    slice_rows: PositiveInt = DEFAULT_SLICE_ROWS


class AsOfOfflineStore(OfflineStore):
    """Point-in-time joins of Parquet file sources, local or on S3, answering as Feast's own file stores do.

    Differences, each on purpose:

    - Rows that tie on key, event time and creation time: the last one in the file wins, and of several files
      the one whose name comes last. Feast leaves it to how its threads ran.
    - Entity rows that are alike are each answered, in their order. Feast's Dask store keeps one of them
      (feast-dev/feast#6787).
    - A view of which only some join keys are renamed is joined on all of them. Feast's DuckDB store joins on
      the renamed ones alone.
    - Without entity rows it answers; Feast's DuckDB store does not yet (feast-dev/feast#6108), its Dask store
      errs for several views, see `features.offline.range`.
    - An on-demand view sees only the inputs that it declares.
    - A view that declares text over a column of numbers, of bare bytes or the like is refused. Feast joins on
      what the file holds, and writes online what the view declares: history would answer, serving would not,
      or with `b'...'`.
    - A table whose times are not UTC in microseconds is refused; Feast takes naive ones as UTC, and fails on
      nanoseconds when it materialises.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        *,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Join each view's newest row at or before every entity row's `event_timestamp`, within its TTL.

        `entity_df`: a frame, or one DuckDB query (or the path of a Parquet file); an instant without a zone
        is UTC. Without it, `start_date` and `end_date` choose the keys, see `features.offline.range`. With
        `filter_by_created_timestamp` a row counts only from its creation time on: what was written later,
        such as a backfill, does not leak into history.

        Raises:
            UnsupportedRetrievalError: a source that is not a Parquet file, or keys that dates cannot choose.
            TableMissingError: a view's file is not there.
        """
        found = _asof_sources(config, feature_views, feature_refs, full_feature_names)
        sources = tuple(replace(source, known_only=filter_by_created_timestamp) for source in found)
        layouts = tuple(map(source_layout, sources, feature_views))
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        bounds = None
        if entity_df is None:
            bounds = key_bounds(sources, on_demand, start_date, end_date)
            entity_df = keys_in_range(sources, start_date, bounds)
        names = (tuple(feature_refs), full_feature_names)
        place = (_repo_path(config), _engine(config))
        retrieval = Retrieval(sources, layouts, entity_df, *names, *place, bounds)
        return AsOfRetrievalJob(retrieval, on_demand)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return each key's newest row with `start_date <= event time <= end_date`: what is materialised.

        Raises:
            TableMissingError: the source's file is not there.
            TableLayoutError: it is not what its view declares; when the rows are read.
        """
        times = (timestamp_field, created_timestamp_column, start_date, end_date)
        scan = _scan(config, data_source, join_key_columns, feature_name_columns, *times)
        return ScanJob(scan, scan.latest_query(), _engine(config), _repo_path(config))

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
        """Return every row with `start_date <= event time <= end_date`; no bound where one is not given.

        Raises:
            TableMissingError: the source's file is not there.
            TableLayoutError: it is not what its view declares; when the rows are read.
        """
        times = (timestamp_field, created_timestamp_column, start_date, end_date)
        scan = _scan(config, data_source, join_key_columns, feature_name_columns, *times)
        return ScanJob(scan, scan.all_query(), _engine(config), _repo_path(config))

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,  # noqa: ARG004
        logging_config: LoggingConfig,
        registry: BaseRegistry,  # noqa: ARG004
    ) -> None:
        """Add the logs (a table, or a path of Parquet) as new files of the logging destination's folder.

        Raises:
            UnsupportedRetrievalError: the destination is not a FileLoggingDestination.
        """
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise UnsupportedRetrievalError(
                f"cannot log features to {type(destination).__name__}; configure a FileLoggingDestination"
            )
        write_logs(data, destination, _repo_path(config))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append to the view's Parquet; readers see it as it was or as it is, never a part.

        Raises:
            TableLayoutError: the rows' columns are not those of the table, or of types that it cannot take.
        """
        source = parquet_source(batch_source(feature_view))
        append_rows(source, _repo_path(config), feature_view.name, table, declared_schema(feature_view))
        if progress:
            progress(table.num_rows)


def _asof_sources(
    config: RepoConfig, views: list[FeatureView], refs: list[str], full_names: bool
) -> Iterator[AsOfSource]:
    for view in views:
        name = used_name(view.projection)
        wanted = dict.fromkeys(ref.split(":", 1)[1] for ref in refs if ref.split(":", 1)[0] == name)
        files = locate_files(config, batch_source(view), view.name)
        source = view_source(view, files.paths, list(wanted), f"{name}__" if full_names else "")
        yield replace(source, filesystem=files.filesystem)


def _scan(
    config: RepoConfig,
    source: DataSource,
    keys: list[str],
    features: list[str],
    timestamp: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
) -> Scan:
    name = str(getattr(source, "name", source))
    files = locate_files(config, source, name)
    views = _declaring_views(config, name, {*keys, *features})
    return Scan(files, name, views, tuple(keys), tuple(features), timestamp, created, start, end)


def _declaring_views(config: RepoConfig, source: str, columns: set[str]) -> tuple[FeatureView, ...]:
    """Find the views over a source that declare the columns: Feast does not say for which it scans."""
    found = FeatureStore(config=config).registry.list_all_feature_views(config.project)
    views = (view for view in found if isinstance(view, FeatureView) and view.batch_source)
    return tuple(
        view
        for view in views
        if batch_source(view).name == source and columns <= declared_families(view).keys()
    )


def _repo_path(config: RepoConfig) -> str:
    return str(config.repo_path)


def _engine(config: RepoConfig) -> Engine:
    settings = config.offline_store
    return Engine(
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        spill=Path(settings.temp_directory) if settings.temp_directory else None,
        slice_rows=settings.slice_rows,
    )
