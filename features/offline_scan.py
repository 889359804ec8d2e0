"""Plain reads of a Parquet source for materialisation, and appending to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.offline_store import RetrievalJob

from features.asof_sql import connect_utc, instant_sql, quote, read_parquet


@dataclass(frozen=True)
class Scan:
    """A source's columns between two event times, both inclusive."""

    path: str
    columns: tuple[str, ...]
    timestamp: str
    created: str | None
    start: datetime | None
    end: datetime | None

    def all_query(self, join_keys: Sequence[str]) -> str:
        """Return the SQL of every row in the range; rows without a key get Feast's placeholder key."""
        names = [*self.columns, self.timestamp, *([self.created] if self.created else [])]
        selected = ", ".join(quote(name) for name in dict.fromkeys(names))
        if not join_keys:
            selected += f", '{DUMMY_ENTITY_VAL}' AS {quote(DUMMY_ENTITY_ID)}"
        return f"SELECT {selected} FROM {read_parquet(self.path)} WHERE {self._in_range()}"

    def latest_query(self, join_keys: Sequence[str]) -> str:
        """Return the SQL of each key's newest row in the range."""
        partition = f"PARTITION BY {', '.join(quote(key) for key in join_keys)} " if join_keys else ""
        created = f"{quote(self.created)} DESC NULLS LAST, " if self.created else ""
        order = f"ORDER BY {quote(self.timestamp)} DESC, {created}file_row_number DESC"
        return f"{self.all_query(join_keys)} QUALIFY row_number() OVER ({partition}{order}) = 1"

    def _in_range(self) -> str:
        instant = instant_sql(self.timestamp)
        from_start = [f"{instant} >= {_microseconds(self.start)}"] if self.start else []
        to_end = [f"{instant} <= {_microseconds(self.end)}"] if self.end else []
        return " AND ".join([*from_start, *to_end]) or "true"


class ScanJob(RetrievalJob):
    """Runs one scan's SQL on `to_arrow` or `to_df`."""

    full_feature_names = False
    metadata = None

    def __init__(self, query: str) -> None:
        self._query = query

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """None: on-demand features are never materialised."""
        return []

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        with connect_utc() as connection:
            return connection.sql(self._query).to_arrow_table().combine_chunks()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:  # noqa: ARG002
        frame: pd.DataFrame = self._to_arrow_internal().to_pandas()
        return frame


def append_rows(path: Path, table: pa.Table) -> None:
    """Append `table` to the Parquet file by writing a new file and renaming it into place."""
    fresh = path.with_name(f".{path.name}.appending")
    with connect_utc() as connection:
        connection.register("added", table)
        before = f"SELECT * FROM read_parquet({str(path)!r}) UNION ALL BY NAME " if path.is_file() else ""
        connection.sql(f"{before}SELECT * FROM added").write_parquet(str(fresh))
    fresh.replace(path)


def _microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 UTC; a naive moment is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
