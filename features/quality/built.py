"""Tables just built, checked whole before any of them replaces its predecessor."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd

from features.offline.asof_sql import connect_utc
from features.quality.check import TableCheck
from features.quality.expectation import Expectation
from features.quality.from_schema import schema_source
from features.quality.quarantine import Quarantine, quarantine_folder
from features.quality.record import RECORD_FILE

CheckBuilt = Callable[[Path], None]


@contextmanager
def open_built_check(
    expectations: Mapping[str, Expectation], features_dir: Path, known_until: datetime, latest: datetime
) -> Iterator[CheckBuilt]:
    """Yield what checks a built table, a file or a folder of files, against the expectations of its name.

    `known_until` (UTC) is when the raw data last knew something, `latest` the last instant that it speaks of.

    Raises:
        TableQualityError: a table is not fit to be used; its rows are kept in the quarantine.
    """
    folder = quarantine_folder(features_dir)
    quarantine = Quarantine(folder, f"built-to-{latest:%Y-%m-%dT%H%M}", "no table was replaced")
    with connect_utc() as connection:
        record = features_dir / RECORD_FILE
        check = TableCheck(connection, quarantine, record, "build", known_until, latest)

        def check_built(path: Path) -> None:
            expectation = expectations[path.stem]
            check.run(schema_source(path, expectation.schema), expectation, lambda: pd.read_parquet(path))

        yield check_built
