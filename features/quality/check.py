"""One check of one table: its layout, its bounds as a whole, then every row; the first failure refuses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.offline.parquet_sql import column_types, read_parquet
from features.quality.bounds import find_bound_violations, find_future
from features.quality.expectation import Expectation
from features.quality.layout import find_layout_violations
from features.quality.measure import TableMeasure, measure_table, newest_instant
from features.quality.quarantine import KEPT_ROWS, Quarantine
from features.quality.record import Occasion, append_records, make_record
from features.quality.rows import find_row_violations
from features.quality.source import TableSource
from features.quality.violation import Violation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class TableCheck:
    """Checks tables on one occasion; what is measured are the rows until `as_of` (UTC).

    Rows after `latest` are in the future; without it, rows after `as_of` are simply not used yet.
    """

    connection: "DuckDBPyConnection"
    quarantine: Quarantine
    record_file: Path
    occasion: Occasion
    as_of: datetime
    latest: datetime | None = None

    def run(
        self, source: TableSource, expectation: Expectation, read_rows: Callable[[], pd.DataFrame]
    ) -> TableMeasure:
        """Check one table, record what it shows, and return that; `read_rows` reads the rows that are used.

        Raises:
            TableLayoutError: a column is missing, of another type, or its timestamps are inexact.
            TableTimeError: the table stopped, has a hole, or has rows in the future.
            TableQualityError: too much is missing, or rows break the schema.
        """
        self._reach(source.filesystem)
        for path in source.paths:
            types = column_types(self.connection, read_parquet(path))
            self._refuse(source, find_layout_violations(types, source), layout=True)
        types = column_types(self.connection, source.table)
        measure = measure_table(self.connection, source, types, self.as_of)
        self._record(source, expectation, measure)
        bounds = find_bound_violations(source, types, expectation, measure, self.as_of)
        self._refuse(source, [*self._find_future(source, expectation), *bounds])
        found, rows = find_row_violations(read_rows(), expectation.schema)
        if found:
            self.quarantine.refuse(source.view, found, rows, layout=False)
        return measure

    def _reach(self, filesystem: Any) -> None:
        if filesystem is not None:
            from features.offline.files import register_filesystem  # imports Feast, which takes seconds

            register_filesystem(self.connection, filesystem)

    def _find_future(self, source: TableSource, expectation: Expectation) -> list[Violation]:
        if self.latest is None or source.timestamp is None:
            return []
        newest = newest_instant(self.connection, source.table, source.timestamp)
        return find_future(source.timestamp, newest, self.latest + expectation.ahead)

    def _refuse(self, source: TableSource, violations: list[Violation], layout: bool = False) -> None:
        if violations:
            condition = " OR ".join(f"({violation.condition})" for violation in violations)
            rows = self.connection.sql(f"SELECT * FROM {source.table} WHERE {condition} LIMIT {KEPT_ROWS}")
            self.quarantine.refuse(source.view, violations, rows.df(), layout)

    def _record(self, source: TableSource, expectation: Expectation, measure: TableMeasure) -> None:
        lifetime = expectation.lifetime
        record = make_record(
            source.view,
            self.occasion,
            self.as_of,
            measure,
            lifetime.total_seconds() if lifetime else None,
            {name: expectation.null_limit(name) for name in source.features},
        )
        append_records(self.record_file, [record])
