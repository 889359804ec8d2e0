"""Plain reads of a Parquet source: for materialisation, saved datasets and logged features."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, OnDemandFeatureView
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.saved_dataset import SavedDatasetStorage

from features.offline.asof_sql import moment_sql, place_sql
from features.offline.checks import Layout, declared_families
from features.offline.engine import Engine
from features.offline.entities import FIRST_INEXACT
from features.offline.files import SourceFiles
from features.offline.parquet_sql import FILE, ROW_IN_FILE, quote
from features.offline.write import save_dataset
from features.timestamps import to_microseconds

# As many digits as the largest whole number of 64 bits has.
DECIMAL = pa.decimal128(20)


@dataclass(frozen=True)
class Scan:
    """A source's columns between two event times, both inclusive; without features every column.

    So Feast asks for what a view's function makes its features of. `views`: what is declared of the columns.
    """

    files: SourceFiles
    name: str
    views: tuple[FeatureView, ...]
    keys: tuple[str, ...]
    features: tuple[str, ...]
    timestamp: str
    created: str | None
    start: datetime | None
    end: datetime | None

    @property
    def layouts(self) -> list[Layout]:
        """What the files must hold, for each view that declares it."""
        times = (self.timestamp, *([self.created] if self.created else []))
        columns = (*self.keys, *self.features)
        declared = [Layout(view.name, columns, times, declared_families(view)) for view in self.views]
        return declared or [Layout(self.name, columns, times, {})]

    def all_query(self) -> str:
        """Return the SQL of every row in the range; rows without a key get Feast's placeholder key."""
        times = [self.timestamp, *([self.created] if self.created else [])]
        names = dict.fromkeys([*self.keys, *self.features, *times])
        place = f"COLUMNS(lambda c: c NOT IN ('{FILE}', '{ROW_IN_FILE}'))"
        selected = ", ".join(map(quote, names)) if self.features else place
        if not self.keys:
            selected += f", '{DUMMY_ENTITY_VAL}' AS {quote(DUMMY_ENTITY_ID)}"
        return f"SELECT {selected} FROM {self.files.table} WHERE {self._in_range()}"

    def latest_query(self) -> str:
        """Return the SQL of each key's newest row in the range."""
        partition = f"PARTITION BY {', '.join(map(quote, self.keys))} " if self.keys else ""
        created = f"{quote(self.created)} DESC NULLS LAST, " if self.created else ""
        order = f"ORDER BY {quote(self.timestamp)} DESC, {created}{place_sql()} DESC"
        return f"{self.all_query()} QUALIFY row_number() OVER ({partition}{order}) = 1"

    def _in_range(self) -> str:
        column = quote(self.timestamp)
        from_start = [f"{column} >= {moment_sql(to_microseconds(self.start))}"] if self.start else []
        to_end = [f"{column} <= {moment_sql(to_microseconds(self.end))}"] if self.end else []
        return " AND ".join([*from_start, *to_end]) or "true"


class ScanJob(RetrievalJob):
    """Runs one scan's SQL on `to_arrow`, `to_df` or `persist`."""

    full_feature_names = False

    def __init__(self, scan: Scan, query: str, engine: Engine, repo_path: str) -> None:
        self._scan = scan
        self._query = query
        self._engine = engine
        self._repo_path = repo_path

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """None, as with Feast's own stores: a scan has no entity rows."""
        return None

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """None: on-demand features are never materialised."""
        return []

    def to_sql(self) -> str:
        """Return the DuckDB query."""
        return self._query

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Write the rows as Parquet; as with `AsOfRetrievalJob.persist`."""
        self._run(
            timeout,
            lambda relation: save_dataset(
                relation.to_arrow_reader(), storage, self._repo_path, overwrite=allow_overwrite
            ),
        )

    def _run(self, timeout: int | None, take: Callable[[Any], Any]) -> Any:
        with self._engine.connect([self._scan.files.filesystem], timeout) as connection:
            for layout in self._scan.layouts:
                layout.check(connection, self._scan.files.paths, self._scan.files.table)
            return take(connection.sql(self._query))

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._run(timeout, lambda relation: exact_table(relation.to_arrow_table().combine_chunks()))

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame


def exact_table(table: pa.Table) -> pa.Table:
    """Return the table; whole numbers that a float does not tell apart are decimals where some are missing.

    Feast makes NumPy arrays and frames of the columns when it materialises, and with them floats of whole
    numbers beside nulls. A decimal becomes the whole number again that the view declares.
    """
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_integer(field.type) and column.null_count and _is_inexact(column):
            table = table.set_column(place, field.name, column.cast(DECIMAL))
    return table


def _is_inexact(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column).as_py()
    return any(end is not None and abs(end) > FIRST_INEXACT for end in ends.values())
