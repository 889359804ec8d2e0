"""The historical retrieval itself: entity rows in, the same rows with features out, slice by slice."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.dqm.errors import ValidationFailed
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import AsOfSource, whole_query
from features.offline.checks import Layout
from features.offline.engine import Engine
from features.offline.entities import (
    EntityBounds,
    as_query,
    check_untaken,
    entity_bounds,
    instant_column,
    read_slices,
)
from features.offline.join import join_features
from features.offline.session import Session
from features.offline.write import save_dataset
from features.schema.on_demand import compute_columns
from features.schema.views import used_name

# On-demand views work on Python values, which take several times the memory of the columns.
COMPUTED_ROWS = 100_000


@dataclass(frozen=True)
class Retrieval:
    """What is asked: sources with what their files must hold, entity rows (frame or SQL), feature names.

    `bounds`: the entity rows' keys and times where they are known without reading them.
    """

    sources: tuple[AsOfSource, ...]
    layouts: tuple[Layout, ...]
    entity_rows: pd.DataFrame | str
    feature_refs: tuple[str, ...]
    full_feature_names: bool
    repo_path: str
    engine: Engine
    bounds: EntityBounds | None = None


class AsOfRetrievalJob(RetrievalJob):
    """Runs when its answer is asked for: per slice of entity rows the as-of joins, then on-demand views.

    `to_df` and `to_arrow` hold the whole answer. `to_arrow_batches` and `persist` hold one slice of it, so
    that memory stays bounded however many entity rows there are.
    """

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
        """The feature references, the entity rows' columns beside the instant, its first and last value."""
        bounds = self._bounds
        return RetrievalMetadata(list(self._retrieval.feature_refs), bounds.keys, bounds.first, bounds.last)

    def to_arrow(self, validation_reference: Any = None, timeout: int | None = None) -> pa.Table:
        """Run the retrieval. Rows keep the entity rows' order, repeated rows are each answered.

        Raises:
            EntityRowsError: the entity rows lack a column, an instant, or have keys of another type.
            TableLayoutError: a feature table is not what its view declares.
            RetrievalStoppedError: out of memory, or not done within `timeout` seconds.
            ValidationFailed: the answer does not pass the reference's profile (Feast's own error).
        """
        table = pa.concat_tables(self._tables(timeout))
        if validation_reference is not None:
            result = validation_reference.profile.validate(table.to_pandas())
            if not result.is_success:
                raise ValidationFailed(result)
        return table

    def to_arrow_batches(self, timeout: int | None = None) -> pa.RecordBatchReader:
        """Run the retrieval as it is read; at most `slice_rows` entity rows are held at a time.

        Raises:
            EntityRowsError, TableLayoutError, RetrievalStoppedError: as `to_arrow`, here or while reading.
        """
        tables = self._tables(timeout)
        first = next(tables)
        return pa.RecordBatchReader.from_batches(first.schema, _batches(first, tables))

    def to_sql(self) -> str:
        """Return the DuckDB query of the stored features, where entity rows were given as SQL.

        Raises:
            UnsupportedRetrievalError: entity rows are a frame, or a source is not a local file.
        """
        rows = self._retrieval.entity_rows
        if not isinstance(rows, str) or any(source.filesystem for source in self._retrieval.sources):
            raise UnsupportedRetrievalError(
                "give the entity rows as SQL, over local tables, to see the query"
            )
        with self._retrieval.engine.connect() as connection:
            schema = connection.sql(f"SELECT * FROM ({as_query(rows)}) LIMIT 0").to_arrow_table().schema
        return whole_query(as_query(rows), instant_column(schema), self._retrieval.sources)

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Write the answer slice by slice: one Parquet file if the path ends in `.parquet`, else a folder.

        Readers see all of it or nothing.

        Raises:
            SavedDatasetLocationAlreadyExists: something is there and may not be overwritten (Feast's error).
            UnsupportedRetrievalError: the storage is not a Parquet SavedDatasetFileStorage.
        """
        save_dataset(
            self.to_arrow_batches(timeout), storage, self._retrieval.repo_path, overwrite=allow_overwrite
        )

    @cached_property
    def _bounds(self) -> EntityBounds:
        if self._retrieval.bounds is not None:
            return self._retrieval.bounds
        with self._open(None) as session:
            return entity_bounds(session.connection, self._retrieval.entity_rows)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return pa.concat_tables(self._joined(timeout))

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    def _tables(self, timeout: int | None) -> Iterator[pa.Table]:
        for joined in self._joined(timeout):
            step = COMPUTED_ROWS if self._on_demand else max(joined.num_rows, 1)
            for start in range(0, max(joined.num_rows, 1), step):
                yield self._with_on_demand(joined.slice(start, step))

    def _joined(self, timeout: int | None) -> Iterator[pa.Table]:
        asked = self._retrieval
        with self._open(timeout) as session:
            types = [
                layout.check(session.connection, source.path, source.table)
                for layout, source in zip(asked.layouts, asked.sources, strict=True)
            ]
            for rows in read_slices(session.connection, asked.entity_rows, asked.engine.slice_rows):
                yield join_features(session, rows, asked.sources, types, asked.engine.held_cells)

    def _open(self, timeout: int | None) -> AbstractContextManager[Session]:
        filesystems = [source.filesystem for source in self._retrieval.sources]
        return self._retrieval.engine.open(filesystems, timeout)

    def _with_on_demand(self, joined: pa.Table) -> pa.Table:
        answer, lists = joined, dict[str, list[Any]]()
        for view in self._on_demand:
            computed = compute_columns(view, joined, lists)
            prefix = f"{used_name(view.projection)}__" if self.full_feature_names else ""
            for name in self._requested(view):
                check_untaken(answer, [prefix + name])
                answer = answer.append_column(prefix + name, computed[name])
        return answer

    def _requested(self, view: OnDemandFeatureView) -> list[str]:
        refs = (ref.split(":", 1) for ref in self._retrieval.feature_refs)
        return [feature for name, feature in refs if name == used_name(view.projection)]


def _batches(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    yield from first.to_batches()
    del first
    for table in others:
        yield from table.to_batches()
