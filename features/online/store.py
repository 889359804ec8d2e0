"""Feast's online store made true to time: newest row per key, an older event never wins, in any database."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from feast import Entity, FeatureStore, FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import SecretStr

from features.errors import OnlineStoreError, UnsupportedRetrievalError
from features.online.codec import decode_messages, encode_messages
from features.online.database import NewRow, RowDatabase
from features.online.databases import open_rows
from features.timestamps import from_microseconds, to_microseconds


class NewestRowOnlineStoreConfig(FeastConfigBaseModel):
    """`online_store:` of `feature_store.yaml`; the address comes from the settings."""

    type: str = "features.online.store.NewestRowOnlineStore"
    address: SecretStr


class NewestRowOnlineStore(OnlineStore):
    """A table per view, a row per key: all its features as known at one event time.

    Of Feast's own stores only the interface is inherited: they keep a row per feature or a hash per entity,
    and which event wins depends on which was written last, or on a race. Here an older event never
    overwrites a newer one, event times keep their microseconds, an all-null row is stored like any other, a
    batch is written as one, and readers go on meanwhile. Reading here applies no TTL (Feast passes no
    instant): `OnlineReader` does. Whole numbers beyond 2**53 stay whole when they are materialised; of a
    frame that is pushed and lacks some, Feast makes floats before it comes here: push these as `Decimal`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._rows: RowDatabase | None = None

    def rows(self, config: RepoConfig) -> RowDatabase:
        """Return the database that the configuration names."""
        with self._lock:
            if self._rows is None:
                self._rows = open_rows(config.online_store.address.get_secret_value())
            return self._rows

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
        with _naming(table):
            self.write_rows(config, {table_name(config, table): rows})
        if progress:
            progress(len(rows))

    def write_rows(self, config: RepoConfig, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write encoded rows of several views, by table name, as one.

        Raises:
            OnlineStoreError: the database is away, locked or was never laid out.
        """
        self.rows(config).upsert(rows)

    def clear(self, config: RepoConfig, views: Sequence[FeatureView]) -> None:
        """Forget every stored row of the views, to relive a time from its start."""
        self.rows(config).clear([table_name(config, view) for view in views])

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,  # noqa: ARG002
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Return each key's stored event time and features; `(None, None)` for a key without a row."""
        name = table_name(config, table)
        keys = [serialize_entity_key(key, 3) for key in entity_keys]
        with _naming(table):
            stored = self.rows(config).fetch({name: list(dict.fromkeys(keys))})[name]
        found = [stored.get(key) for key in keys]
        return [
            (from_microseconds(row[0]), decode_messages(row[1])) if row else (None, None) for row in found
        ]

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reading and writing, in threads: no event loop waits for the database."""
        return SupportedAsyncMethods(read=True, write=True)

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Do as `online_read` without holding the event loop up."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Do as `online_write_batch` without holding the event loop up."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

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
        self.rows(config).lay_out([table_name(config, view) for view in tables_to_keep])
        self.rows(config).drop([table_name(config, view) for view in tables_to_delete])

    def plan(self, config: RepoConfig, desired_registry_proto: Registry) -> list[InfraObject]:  # noqa: ARG002
        """Nothing: `update` lays the database out."""
        return []

    def teardown(
        self,
        config: RepoConfig,
        tables: Sequence[FeatureView],
        entities: Sequence[Entity],  # noqa: ARG002
    ) -> None:
        """Drop the views' tables."""
        self.rows(config).drop([table_name(config, view) for view in tables])


def online_store_of(store: FeatureStore) -> NewestRowOnlineStore:
    """Return the open repository's online store.

    Raises:
        UnsupportedRetrievalError: the repository configures another.
    """
    online = store._get_provider().online_store
    if not isinstance(online, NewestRowOnlineStore):
        raise UnsupportedRetrievalError(
            "reading and feeding need `online_store: type: features.online.store.NewestRowOnlineStore`"
        )
    return online


@contextmanager
def _naming(view: FeatureView) -> Iterator[None]:
    try:
        yield
    except OnlineStoreError as error:
        raise OnlineStoreError(f"view {view.name!r}: {error}") from error


def table_name(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of a view's table."""
    return str(compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)
