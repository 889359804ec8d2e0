"""Feeds the online store along a replayed time: at each instant what its examples need, known by then."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureView

from features.offline.asof_sql import (
    ENTITY_TABLE,
    EVENT,
    INSTANT,
    ROW,
    AsOfSource,
    asof_rows,
    connect_utc,
)
from features.offline.checks import source_layout
from features.offline.files import locate_files, register_filesystem
from features.offline.parquet_sql import quote
from features.offline.view_source import view_source
from features.online.codec import KeyEncoder, row_encoder
from features.online.database import KeyBytes, NewRow
from features.online.store import online_store_of, table_name
from features.repository.feature_store import open_store
from features.schema.service_plan import ViewPlan, plan_service
from features.schema.views import batch_source
from features.settings import FeatureSettings
from features.timestamps import to_microseconds

EVENT_TIMESTAMP = "event_timestamp"
PendingRow = tuple[int, str, NewRow]


def clear_online_store(settings: FeatureSettings, service: str) -> None:
    """Forget every stored row of the service's views, so that a replay starts knowing nothing."""
    store = open_store(settings)
    views = [plan.view for plan in plan_service(store, service).views]
    online_store_of(store).clear(store.config, views)


class OnlineFeed:
    """Writes ahead of a batch of examples, instant by instant, what each needs from the feature tables.

    Prepared once: one as-of join per view finds, for every example, the newest row that was known at its
    `event_timestamp`. The TTL is not applied here: an expired row is written, so that the reader is what
    finds it stale. Each row is written once, when the first example that needs it comes up.

    `examples`: entity keys and `event_timestamp` (UTC). Only one feed should write at a time.

    Raises:
        TableLayoutError: a feature table is not what its view declares.
    """

    def __init__(self, settings: FeatureSettings, service: str, examples: pd.DataFrame) -> None:
        store = open_store(settings)
        self._config = store.config
        self._store = online_store_of(store)
        plan = plan_service(store, service)
        self._pending = sorted(_pending_rows(self._config, plan.views, examples), key=_first_needed)
        self._next = 0

    @property
    def remaining(self) -> int:
        """How many rows are still to be written."""
        return len(self._pending) - self._next

    def advance(self, as_of: datetime) -> int:
        """Write every row that an example at or before `as_of` needs and that is not written yet; count them.

        All of it as one batch of the online store. Nothing that became known after `as_of` is written,
        and an earlier `as_of` than the last writes nothing.

        Raises:
            OnlineStoreError: the database is away, locked or was never laid out.
        """
        until = to_microseconds(as_of)
        start = self._next
        rows: dict[str, list[NewRow]] = {}
        while self._next < len(self._pending) and self._pending[self._next][0] <= until:
            _, table, row = self._pending[self._next]
            rows.setdefault(table, []).append(row)
            self._next += 1
        if rows:
            self._store.write_rows(self._config, rows)
        return self._next - start


def _pending_rows(config: Any, views: tuple[ViewPlan, ...], examples: pd.DataFrame) -> Iterator[PendingRow]:
    with connect_utc() as connection:
        connection.register(ENTITY_TABLE, _entity_table(views, examples))
        for table, plans in _by_table(config, views).items():
            # Aliases of a view share its rows, so each row holds what any of them reads.
            features = {name: dtype for plan in plans for name, dtype in plan.features.items()}
            first: dict[tuple[KeyBytes, int], PendingRow] = {}
            for plan in plans:
                source = _source(config, plan.view, list(features))
                register_filesystem(connection, source.filesystem)
                source_layout(source, plan.view).check(connection, source.path, source.table)
                found = connection.sql(first_needs(source)).to_arrow_table()
                for row in _encode_rows(replace(plan, features=features), table, found):
                    key, event, _, _ = row[2]
                    first[key, event] = min(row, first.get((key, event), row), key=_first_needed)
            yield from first.values()


def _source(config: Any, view: FeatureView, features: list[str]) -> AsOfSource:
    files = locate_files(config, batch_source(view), str(view.name))
    return replace(view_source(view, files.paths, features), filesystem=files.filesystem)


def _by_table(config: Any, views: tuple[ViewPlan, ...]) -> dict[str, list[ViewPlan]]:
    plans: dict[str, list[ViewPlan]] = {}
    for plan in views:
        plans.setdefault(table_name(config, plan.view), []).append(plan)
    return plans


def _entity_table(views: tuple[ViewPlan, ...], examples: pd.DataFrame) -> pa.Table:
    keys = list(dict.fromkeys(key for plan in views for key in plan.keys.values()))
    instants = pa.array(pd.to_datetime(examples[EVENT_TIMESTAMP], utc=True), pa.timestamp("us", tz="UTC"))
    table = pa.Table.from_pandas(examples[keys], preserve_index=False)
    rows = pa.array(range(len(examples)), pa.int64())
    return table.append_column(ROW, rows).append_column(INSTANT, instants.cast(pa.int64()))


def first_needs(source: AsOfSource) -> str:
    """Return the SQL of the distinct rows that are needed, each with the first instant that needs it."""
    keys = [f"e.{quote(key.answer)}" for key in source.keys]
    columns = [f"a.{quote(column.answer)}" for column in source.columns]
    selected = ", ".join([f"e.{INSTANT}", f"a.{EVENT}", *keys, *columns])
    partition = ", ".join([*keys, f"a.{EVENT}"])
    return (
        f"SELECT {selected} FROM ({asof_rows(source, expire=False)}) a JOIN {ENTITY_TABLE} e USING ({ROW}) "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY e.{INSTANT}) = 1"
    )


def _encode_rows(plan: ViewPlan, table: str, found: pa.Table) -> Iterator[PendingRow]:
    encode_key = KeyEncoder(plan.keys, plan.key_types)
    encode_row = row_encoder(plan.features)
    keys = found.select(list(plan.keys.values())).to_pylist() or [{}] * found.num_rows
    features = [found[name].to_pylist() for name in plan.features]
    moments = zip(found[INSTANT].to_pylist(), found[EVENT].to_pylist(), strict=True)
    for (instant, event), key, values in zip(moments, keys, zip(*features, strict=True), strict=True):
        encoded = encode_key(key)
        if encoded is not None:
            yield instant, table, (encoded, event, None, encode_row(values))


def _first_needed(row: PendingRow) -> int:
    return row[0]
