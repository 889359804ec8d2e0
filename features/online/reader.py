"""Reads a feature service for requests at their own instants: values, status and age, as history has them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from features.online.codec import KeyEncoder, Scalar, decode_row
from features.online.database import FoundRows, KeyBytes, RowDatabase
from features.online.databases import open_rows
from features.online.loading import open_service
from features.online.serving_plan import ComputedView, StoredView
from features.schema.feature_column import FeatureColumn
from features.schema.on_demand_columns import Columns, check_answer, gather_inputs
from features.schema.request_types import field_reader, read_fields
from features.schema.values import ValueReader, value_reader
from features.settings import FeatureSettings
from features.timestamps import MICROSECOND, to_microseconds

FeatureStatus = Literal["present", "missing", "stale", "default"]
Unread = Mapping[str, Container[KeyBytes]]
MICROSECONDS_PER_SECOND = 1_000_000


@dataclass(slots=True)
class ServedFeatures:
    """One request's features, each by name: value, status, and age in seconds at the request's instant.

    - `present`: the value as known at the instant.
    - `missing`: no row for the key by then, or a null in it; the value is `None`.
    - `stale`: the newest row is older than the view's TTL; the value is `None`, the age is that row's.
    - `default`: the row could not be read; the value is what the feature's `Field` declares, else `None`.
    - An on-demand feature is `default` when any stored input is, else `present` when it has a value. Without
      one it is `stale` if any input is, else `missing`. Its age is its oldest stored input's; `None` when it
      follows from the request alone.
    """

    values: dict[str, str | float | None] = field(default_factory=dict)
    status: dict[str, FeatureStatus] = field(default_factory=dict)
    age_seconds: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowContent:
    """What a row says, shared by all who see it: raw for on-demand views, and as served with each status."""

    values: Mapping[str, Scalar]
    served: Mapping[str, str | float | None]
    statuses: Mapping[str, FeatureStatus]


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A view's row as one request may see it."""

    content: RowContent
    status: FeatureStatus
    age: float | None


@dataclass(frozen=True, slots=True)
class AskedRows:
    """Requests with the keys that they ask for: by view one per request, by table each once."""

    requests: Sequence[Mapping[str, object]]
    keys: Mapping[str, Sequence[KeyBytes | None]]
    wanted: Mapping[str, Sequence[KeyBytes]]


# Stored rows are few and asked for often: their content is kept, for it takes longer to read than to fetch.
KEPT_CONTENTS = 4_096
NOTHING: Unread = {}


class OnlineReader:
    """Answers a feature service's features from the online database. Safe to use from many threads.

    Opening it reads the service's plan, or loads the Feast registry once (seconds) where none fits. Changes
    of the registry need a new reader.
    """

    def __init__(self, settings: FeatureSettings, service: str) -> None:
        opened = open_service(settings, service)
        plan = self._plan = opened.plan
        self._on_demand = [(view, opened.functions[view.name]) for view in plan.computed]
        self._request_readers = {name: field_reader(dtype) for name, dtype in plan.request_fields.items()}
        self._value_readers = {name: value_reader(dtype) for name, dtype in plan.types.items()}
        self._views = [_StoredRows(view, self._value_readers) for view in plan.stored]
        self._rows = open_rows(settings.online_address.get_secret_value())

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The service's features in model input order."""
        return self._plan.columns

    @property
    def rows(self) -> RowDatabase:
        """The database that is read."""
        return self._rows

    def read(self, rows: Sequence[Mapping[str, object]], as_of: Sequence[datetime]) -> list[ServedFeatures]:
        """Return each row's features as known at its own instant; a row later than the instant is unseen.

        `rows` carry entity keys and request fields; an unknown, absent or mistyped key means `missing`. All
        views are read at one moment of the database.

        Raises:
            OnlineStoreError: the database is away, locked or not laid out.
            RepositoryError: an on-demand function no longer computes what the registry declares.
        """
        asked = self.ask(rows)
        return self.answer(asked, as_of, self._rows.fetch(asked.wanted))

    def ask(self, rows: Sequence[Mapping[str, object]]) -> AskedRows:
        """Return what has to be fetched to answer the requests."""
        keys = {view.name: [view.encode_key(row) for row in rows] for view in self._views}
        wanted: dict[str, list[KeyBytes]] = {}
        for view in self._views:  # aliases of a view share its table
            listed = [*wanted.get(view.table, ()), *keys[view.name]]
            wanted[view.table] = [key for key in dict.fromkeys(listed) if key]
        return AskedRows(rows, keys, wanted)

    def answer(
        self, asked: AskedRows, as_of: Sequence[datetime], found: FoundRows, unread: Unread = NOTHING
    ) -> list[ServedFeatures]:
        """Return the requests' features from the rows found; keys that are `unread` get their defaults.

        Raises:
            RepositoryError: an on-demand function no longer computes what the registry declares.
        """
        instants = [to_microseconds(moment) for moment in as_of]
        stored = {
            view.name: view.rows_at(asked.keys[view.name], instants, found, unread.get(view.table, ()))
            for view in self._views
        }
        served = [ServedFeatures() for _ in asked.requests]
        for rows in stored.values():
            _serve_stored(rows, served)
        if self._on_demand:
            requests = [read_fields(row, self._request_readers) for row in asked.requests]
            for on_demand, function in self._on_demand:
                computed = function(_inputs(on_demand, requests, stored))
                check_answer(on_demand.name, on_demand.declared, computed)
                self._serve_computed(on_demand, computed, stored, served)
        return served

    def _serve_computed(
        self,
        view: ComputedView,
        columns: Mapping[str, Sequence[Any]],
        stored: Mapping[str, Sequence[ViewRow]],
        served: Sequence[ServedFeatures],
    ) -> None:
        sources = {source for source, _ in view.inputs.values()}
        readers = [(name, self._value_readers[name]) for name in view.features]
        for position, answer in enumerate(served):
            inputs = [stored[source][position] for source in sources]
            given, without = _computed_statuses({row.status for row in inputs})
            age = max((row.age for row in inputs if row.age is not None), default=None)
            for name, read in readers:
                value = read(columns[name][position])
                answer.values[name] = value
                answer.age_seconds[name] = age
                answer.status[name] = without if value is None else given


class _StoredRows:
    """One view's table: how to key it, and what of it is seen at an instant."""

    def __init__(self, view: StoredView, readers: Mapping[str, ValueReader]) -> None:
        self.name, self.table = view.name, view.table
        self.encode_key = KeyEncoder(view.keys, view.key_types)
        self._readers = {name: readers[name] for name in view.features if name in readers}
        self._ttl = view.ttl // MICROSECOND if view.ttl else None
        self._unread = ViewRow(self._content(view.defaults, "default"), "default", None)
        self._absent = ViewRow(self._content({}, "missing"), "missing", None)
        self._stale = self._content({}, "stale")
        self._read = lru_cache(KEPT_CONTENTS)(self._read_row)

    def rows_at(
        self,
        keys: Sequence[KeyBytes | None],
        instants: Sequence[int],
        found: FoundRows,
        unread: Container[KeyBytes],
    ) -> list[ViewRow]:
        decoded = {
            key: (event, self._read(features)) for key, (event, features) in found.get(self.table, {}).items()
        }
        return [
            self._row_at(decoded[key], instant) if key in decoded else self._without(key, unread)
            for key, instant in zip(keys, instants, strict=True)
        ]

    def _without(self, key: KeyBytes | None, unread: Container[KeyBytes]) -> ViewRow:
        return self._unread if key is not None and key in unread else self._absent

    def _row_at(self, row: tuple[int, RowContent], instant: int) -> ViewRow:
        event, content = row
        if event > instant:
            return self._absent
        age = (instant - event) / MICROSECONDS_PER_SECOND
        if self._ttl is not None and event + self._ttl < instant:
            return ViewRow(self._stale, "stale", age)
        return ViewRow(content, "present", age)

    def _read_row(self, features: bytes) -> RowContent:
        return self._content(decode_row(features), "present")

    def _content(self, values: Mapping[str, Scalar], status: FeatureStatus) -> RowContent:
        served = {name: read(values.get(name)) for name, read in self._readers.items()}
        without: FeatureStatus = "missing" if status == "present" else status
        statuses = {name: without if value is None else status for name, value in served.items()}
        return RowContent(values, served, statuses)


def _serve_stored(rows: Sequence[ViewRow], served: Sequence[ServedFeatures]) -> None:
    for row, answer in zip(rows, served, strict=True):
        answer.values.update(row.content.served)
        answer.status.update(row.content.statuses)
        answer.age_seconds.update(dict.fromkeys(row.content.served, row.age))


def _computed_statuses(inputs: set[FeatureStatus]) -> tuple[FeatureStatus, FeatureStatus]:
    """The status of an on-demand feature that has a value, and of one that has none."""
    if "default" in inputs:
        return "default", "default"
    return "present", "stale" if "stale" in inputs else "missing"


def _inputs(
    view: ComputedView, requests: Sequence[Mapping[str, Any]], stored: Mapping[str, Sequence[ViewRow]]
) -> Columns:
    sources = {source for source, _ in view.inputs.values()}
    rows = {source: [row.content.values for row in stored[source]] for source in sources}
    return gather_inputs(requests, view.request_fields, rows, view.inputs)
