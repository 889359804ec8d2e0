"""The historical retrieval itself: entity rows in, the same rows with features out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata

from features.asof_sql import ENTITY_TABLE, INSTANT, ROW, AsOfSource, connect_utc, point_in_time_query
from features.errors import UnsupportedRetrievalError
from features.on_demand import compute_columns
from features.view_source import used_name

EVENT_TIMESTAMP = "event_timestamp"
MICROSECONDS_UTC = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Retrieval:
    """What is asked: sources, entity rows (frame or DuckDB SQL), and how features are named."""

    sources: tuple[AsOfSource, ...]
    entity_rows: pd.DataFrame | str
    feature_refs: tuple[str, ...]
    full_feature_names: bool


class AsOfRetrievalJob(RetrievalJob):
    """Runs on `to_df` or `to_arrow`: the as-of joins in one DuckDB query, then the on-demand views."""

    def __init__(self, retrieval: Retrieval, on_demand: Sequence[OnDemandFeatureView]) -> None:
        self._retrieval = retrieval
        self._on_demand = list(on_demand)

    @property
    def full_feature_names(self) -> bool:
        """Whether features are called `view__feature`."""
        return self._retrieval.full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The on-demand views that are computed after the join."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata:
        """The feature references; keys and time bounds are not read ahead of running the query."""
        return RetrievalMetadata(features=list(self._retrieval.feature_refs), keys=[])

    def to_arrow(self, validation_reference: Any = None, timeout: int | None = None) -> pa.Table:
        """Run the retrieval. Rows keep the entity rows' order.

        Raises:
            UnsupportedRetrievalError: a validation reference or a timeout was given.
        """
        if validation_reference is not None or timeout is not None:
            raise UnsupportedRetrievalError("validation references and timeouts are not supported; omit them")
        joined = self._to_arrow_internal()
        answer, lists = joined, dict[str, list[Any]]()
        for view in self._on_demand:
            computed = compute_columns(view, joined, lists)
            prefix = f"{used_name(view.projection)}__" if self.full_feature_names else ""
            for name in self._requested(view):
                answer = answer.append_column(prefix + name, computed[name])
        return answer

    def persist(self, *_: Any, **__: Any) -> None:
        """Refuse: saved datasets are written by whoever asked for them."""
        raise UnsupportedRetrievalError(
            "persisting a retrieval is not supported; write `to_arrow()` yourself"
        )

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        with connect_utc() as connection:
            entity_rows = _entity_table(self._retrieval.entity_rows, connection)
            if not self._retrieval.sources:
                return entity_rows
            connection.register(ENTITY_TABLE, _narrow(entity_rows, self._retrieval.sources))
            features = connection.sql(point_in_time_query(self._retrieval.sources)).to_arrow_table()
        for name in features.column_names:
            entity_rows = entity_rows.append_column(name, features[name])
        return entity_rows

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:  # noqa: ARG002
        frame: pd.DataFrame = self._to_arrow_internal().to_pandas()
        return frame

    def _requested(self, view: OnDemandFeatureView) -> list[str]:
        refs = (ref.split(":", 1) for ref in self._retrieval.feature_refs)
        return [feature for name, feature in refs if name == used_name(view.projection)]


def _entity_table(rows: pd.DataFrame | str, connection: Any) -> pa.Table:
    """Return the entity rows as Arrow with a UTC `event_timestamp`; a naive one is taken as UTC."""
    if isinstance(rows, str):
        table = connection.sql(rows).to_arrow_table()
    else:
        table = pa.Table.from_pandas(rows, preserve_index=False)
    if EVENT_TIMESTAMP not in table.column_names:
        raise UnsupportedRetrievalError(
            f"entity rows have no `{EVENT_TIMESTAMP}` column; add the instant at which each is asked"
        )
    position = table.column_names.index(EVENT_TIMESTAMP)
    instants = pa.array(pd.to_datetime(table[EVENT_TIMESTAMP].to_pandas(), utc=True), MICROSECONDS_UTC)
    return table.set_column(position, EVENT_TIMESTAMP, instants)


def _narrow(entity_rows: pa.Table, sources: Sequence[AsOfSource]) -> pa.Table:
    keys = list(dict.fromkeys(key.answer for source in sources for key in source.keys))
    missing = [key for key in keys if key not in entity_rows.column_names]
    if missing:
        raise UnsupportedRetrievalError(f"entity rows lack the join keys {missing}; add these columns")
    instants = entity_rows[EVENT_TIMESTAMP].cast(pa.int64())
    return (
        entity_rows.select(keys)
        .append_column(ROW, pa.array(range(entity_rows.num_rows), pa.int64()))
        .append_column(INSTANT, instants)
    )
