"""Feast's SQLite online store made true to time: newest row per key, an older event never wins."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from features.asof_sql import quote
from features.online_codec import decode_messages, encode_messages
from features.online_db import NewRow, connect_writer, create_table, explained, select_rows, upsert_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class NewestRowSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """`online_store:` of `feature_store.yaml`."""

    type: str = "features.online_store.NewestRowSqliteOnlineStore"  # type: ignore[assignment]


class NewestRowSqliteOnlineStore(SqliteOnlineStore):
    """One SQLite file, one table per view, one row per key: all its features as known at one event time.

    Unlike the store it derives from: an older event never overwrites a newer one, event times keep their
    microseconds, an all-null row is stored like any other, a batch is one transaction, and readers in other
    processes are never blocked. Reading here applies no TTL (Feast passes no instant): `OnlineReader` does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write the rows of one view; each replaces what is stored for its key unless that is newer."""
        rows = [
            (serialize_entity_key(key, 3), to_microseconds(at), _optional(created), encode_messages(values))
            for key, values, at, created in data
        ]
        self.write_rows(config, {table_name(config, table): rows})
        if progress:
            progress(len(rows))

    def write_rows(self, config: RepoConfig, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write encoded rows of several views, by table name, in one transaction.

        Raises:
            OnlineStoreError: the database is locked or was never laid out.
        """
        with self._lock, explained(self._path(config)):
            upsert_rows(self._get_conn(config), rows)

    def clear(self, config: RepoConfig, views: Sequence[FeatureView]) -> None:
        """Forget every stored row of the views, to relive a time from its start."""
        with self._lock, explained(self._path(config)):
            connection = self._get_conn(config)
            for view in views:
                connection.execute(f"DELETE FROM {quote(table_name(config, view))}")

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,  # noqa: ARG002
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Return each key's stored event time and features; `(None, None)` for a key without a row."""
        keys = [serialize_entity_key(key, 3) for key in entity_keys]
        with self._lock, explained(self._path(config)):
            stored = select_rows(self._get_conn(config), table_name(config, table), keys)
        found = [stored.get(key) for key in keys]
        return [
            (EPOCH + row[0] * MICROSECOND, decode_messages(row[1])) if row else (None, None) for row in found
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],  # noqa: ARG002
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Create the kept views' tables and drop the deleted views'; stored rows of kept views stay."""
        with self._lock, explained(self._path(config)):
            connection = self._get_conn(config)
            for view in tables_to_keep:
                create_table(connection, table_name(config, view))
            for view in tables_to_delete:
                connection.execute(f"DROP TABLE IF EXISTS {quote(table_name(config, view))}")

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:  # noqa: ARG002
        """Nothing: `update` lays the database out."""
        return []

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = connect_writer(self._path(config))
        return self._conn

    def _path(self, config: RepoConfig) -> Path:
        return Path(self._get_db_path(config))


def table_name(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of a view's table."""
    return str(compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 UTC; a naive moment is taken as UTC, as Feast does."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)
