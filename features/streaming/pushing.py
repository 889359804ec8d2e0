"""Rows pushed to both stores through Feast: online as they come, offline many at a time."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from feast import FeatureStore, FeatureView
from feast.data_source import PushMode, PushSource
from pyarrow.fs import LocalFileSystem

from features.errors import RepositoryError
from features.offline.files import source_uri
from features.offline.write import fresh_file, write_batches
from features.quality.pushed import PushCheck
from features.repository.feature_store import open_store
from features.schema.views import batch_source
from features.settings import FeatureSettings

EVENT_TIMESTAMP = "event_timestamp"


class RowPusher:
    """Pushes the rows of views to the stores; of rows for one key and instant the last given holds.

    The offline store rewrites a file to append to it, so its rows wait until they are taken and pushed.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self._store: FeatureStore = open_store(settings)
        self._views = _pushed_views(self._store)
        self._check = PushCheck(settings, self._store)
        self._online: dict[str, list[pd.DataFrame]] = {}
        self._offline: dict[str, list[pd.DataFrame]] = {}

    @property
    def waiting(self) -> int:
        """How many rows the offline store does not have yet."""
        return sum(len(frame) for frames in self._offline.values() for frame in frames)

    def add(self, rows: Mapping[str, pd.DataFrame]) -> None:
        """Take rows by view: keys, `event_timestamp`, features; what breaks its expectations is set aside.

        Raises:
            RepositoryError: the registry has no push source for a view.
        """
        for view, frame in rows.items():
            if view not in self._views:
                raise RepositoryError(f"view {view!r} has no push source; run `python -m features apply`")
            sound = self._check.set_aside(self._views[view], frame) if len(frame) else frame
            if len(sound):
                self._online.setdefault(view, []).append(sound)
                self._offline.setdefault(view, []).append(sound)

    def cut(self, moment: datetime) -> None:
        """Take the rows at or after a moment out of the views' tables, each whole or not at all.

        Raises:
            RepositoryError: a table is not one local file.
        """
        for view in self._views.values():
            path = source_uri(self._store.config, batch_source(view))
            if not Path(path).is_file():
                raise RepositoryError(
                    f"view {view.name!r}: {path} is not a file; take its later rows out yourself"
                )
            kept = pq.read_table(path, filters=[(EVENT_TIMESTAMP, "<", moment)])
            with fresh_file(LocalFileSystem(), path) as fresh:
                write_batches(LocalFileSystem(), fresh, kept.schema, kept.to_batches())

    def push_online(self) -> None:
        """Push each key's newest row; what fails is pushed again next time."""
        for name in list(self._online):
            view = self._views[name]
            keys = [column.name for column in view.entity_columns]
            rows = pd.concat(self._online[name]).sort_values(EVENT_TIMESTAMP, kind="stable")
            self._push(view, rows.drop_duplicates(keys, keep="last"), PushMode.ONLINE)
            del self._online[name]

    def take_waiting(self) -> dict[str, list[pd.DataFrame]]:
        """Return what the offline store does not have yet, for `push_offline`; it no longer waits here."""
        taken, self._offline = self._offline, {}
        return taken

    def give_back(self, rows: Mapping[str, list[pd.DataFrame]]) -> None:
        """Let rows wait again that were taken, before what has come since."""
        for view, frames in rows.items():
            self._offline[view] = frames + self._offline.get(view, [])

    def push_offline(self, rows: dict[str, list[pd.DataFrame]]) -> None:
        """Push rows that were taken, each key and instant once; what is pushed is no longer in `rows`."""
        for name in list(rows):
            view = self._views[name]
            keys = [column.name for column in view.entity_columns]
            frame = pd.concat(rows[name]).drop_duplicates([*keys, EVENT_TIMESTAMP], keep="last")
            self._push(view, frame, PushMode.OFFLINE)
            del rows[name]

    def _push(self, view: FeatureView, rows: pd.DataFrame, to: PushMode) -> None:
        rows = rows.reset_index(drop=True)
        features = [feature.name for feature in view.features]
        if to == PushMode.ONLINE and bool(rows[features].isna().all(axis=None)):
            # Feast's push leaves such rows out, and what was true before would go on being served.
            self._store._get_provider().ingest_df(view, rows)
            return
        source: Any = view.stream_source
        FeatureStore.push(self._store, source.name, rows, to=to)  # checked when they were taken


def _pushed_views(store: FeatureStore) -> dict[str, FeatureView]:
    views = store.list_feature_views()
    return {view.name: view for view in views if isinstance(view.stream_source, PushSource)}
