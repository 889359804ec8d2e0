"""The tables behind a repository's views, checked before their rows are written online, or as they lie."""

from collections.abc import Callable
from datetime import datetime

import pandas as pd
from feast import FeatureStore, FeatureView, RepoConfig
from feast.data_source import DataSource

from features.offline.asof_sql import connect_utc
from features.quality.check import TableCheck
from features.quality.from_view import read_expectations, view_expectation, view_table
from features.quality.measure import TableMeasure
from features.quality.quarantine import Quarantine, quarantine_folder
from features.quality.record import RECORD_FILE
from features.quality.source import TableSource
from features.schema.views import batch_source
from features.settings import FeatureSettings
from features.timestamps import BEGINNING

Pulled = tuple[RepoConfig, DataSource, list[str], list[str], str, str | None]
Read = Callable[[FeatureStore, FeatureView, TableSource, datetime], pd.DataFrame]


def check_before_writing(
    settings: FeatureSettings, store: FeatureStore, as_of: datetime
) -> dict[str, TableMeasure]:
    """Check what would be written to the online store as of a moment (UTC); later rows are not looked at.

    Raises:
        TableQualityError: a table is not fit to be used; its rows are kept in the quarantine.
    """
    views = [view for view in store.list_feature_views() if view.online]
    with connect_utc() as connection:
        check = TableCheck(
            connection,
            _quarantine(settings, as_of, "nothing was written to the online store"),
            settings.features_dir / RECORD_FILE,
            "materialize",
            as_of,
        )
        return _run(settings, store, check, views, _newest_rows)


def check_tables(settings: FeatureSettings, store: FeatureStore, as_of: datetime) -> dict[str, TableMeasure]:
    """Check every row of every view's table; a row after `as_of` (UTC) is in the future.

    Raises:
        TableQualityError: a table is not fit to be used; its rows are kept in the quarantine.
    """
    with connect_utc() as connection:
        check = TableCheck(
            connection,
            _quarantine(settings, as_of, "the table stays as it is"),
            settings.features_dir / RECORD_FILE,
            "check",
            as_of,
            latest=as_of,
        )
        return _run(settings, store, check, store.list_feature_views(), _all_rows)


def _run(
    settings: FeatureSettings, store: FeatureStore, check: TableCheck, views: list[FeatureView], read: Read
) -> dict[str, TableMeasure]:
    written = read_expectations(settings.feature_repo)
    measures = {}
    for view in views:
        source = view_table(store, view)
        expectation = view_expectation(view, source, written.get(view.name))
        rows = _reader(read, store, view, source, check.as_of)
        measures[view.name] = check.run(source, expectation, rows)
    return measures


def _reader(
    read: Read, store: FeatureStore, view: FeatureView, source: TableSource, as_of: datetime
) -> Callable[[], pd.DataFrame]:
    return lambda: read(store, view, source, as_of)


def _newest_rows(
    store: FeatureStore, view: FeatureView, source: TableSource, as_of: datetime
) -> pd.DataFrame:
    """Read exactly what Feast's materialisation pulls."""
    pull = store._get_provider().offline_store.pull_latest_from_table_or_query
    return _as_frame(pull(*_pulled(store, view, source), BEGINNING, as_of))


def _all_rows(store: FeatureStore, view: FeatureView, source: TableSource, as_of: datetime) -> pd.DataFrame:  # noqa: ARG001
    pull = store._get_provider().offline_store.pull_all_from_table_or_query
    return _as_frame(pull(*_pulled(store, view, source)))


def _pulled(store: FeatureStore, view: FeatureView, source: TableSource) -> Pulled:
    """What is pulled from where, in the order of both of the offline store's arguments."""
    columns = (list(source.keys), list(source.features))
    return (store.config, batch_source(view), *columns, str(source.timestamp), source.created)


def _as_frame(job: object) -> pd.DataFrame:
    frame: pd.DataFrame = job.to_arrow().to_pandas()  # type: ignore[attr-defined]
    return frame


def _quarantine(settings: FeatureSettings, as_of: datetime, untouched: str) -> Quarantine:
    return Quarantine(quarantine_folder(settings.features_dir), f"{as_of:%Y-%m-%dT%H%M%S}", untouched)
