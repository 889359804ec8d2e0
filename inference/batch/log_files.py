"""Files of the prediction log, written in bulk: one a prediction date, streamed, whole or not there."""

from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from inference.core.atomic_parquet import AtomicParquet
from inference.prediction_log.compaction import part_path

GROUP_ROWS = 32_768
FILE_ROWS = 131_072
# By the others' least and greatest values no reader skips rows.
WITH_STATISTICS = ("request_id", "prediction_time", "logged_at")


class LogFiles:
    """Writes rows of the log into `date=D/<name>-<number>.parquet`; the number grows every `FILE_ROWS` rows.

    Files that are written again under the same name replace the first ones.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._days: dict[date, _DayFile] = {}
        self._number, self._rows = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, raised: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            if raised is None:
                self._complete()
        finally:
            for file in self._days.values():
                file.discard()

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows of any dates, always in the same schema."""
        for day, known in _by_day(rows):
            if day not in self._days:
                path = part_path(self._folder, day, f"{self._name}-{self._number:04d}")
                self._days[day] = _DayFile(path)
            self._days[day].write(known)
        self._rows += rows.num_rows
        if self._rows >= FILE_ROWS:
            self._complete()

    def _complete(self) -> None:
        while self._days:
            day = next(iter(self._days))
            self._days[day].complete()
            del self._days[day]
        self._number, self._rows = self._number + 1, 0


def remove_drafts(folder: Path, names: Collection[str]) -> None:
    """Remove what processes that were killed left half-written under these names."""
    for draft in folder.glob("date=*/*.draft"):
        if draft.name.rpartition("-")[0] in names:
            draft.unlink(missing_ok=True)


class _DayFile:
    """One file. Rows wait for a whole row group, and only then it is opened: there may be many dates."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: AtomicParquet | None = None
        self._waiting: list[pa.RecordBatch] = []

    def write(self, rows: pa.RecordBatch) -> None:
        self._waiting.append(rows)
        if sum(waiting.num_rows for waiting in self._waiting) >= GROUP_ROWS:
            self._write_waiting()

    def complete(self) -> None:
        if self._waiting:
            self._write_waiting()
        if self._file:
            self._file.complete()
            self._file = None

    def discard(self) -> None:
        if self._file:
            self._file.discard()

    def _write_waiting(self) -> None:
        rows = pa.Table.from_batches(self._waiting).unify_dictionaries()
        if self._file is None:
            self._file = AtomicParquet(self._path, rows.schema, **_encoding(rows.schema))
            self._file.annotate(rows.schema.metadata)
        self._file.write_group(rows)
        self._waiting = []


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written: in half the time of zstd over plain numbers, and no larger.

    Numbers are split into streams of first bytes, second bytes and so on (BYTE_STREAM_SPLIT in Parquet's
    specification): high bytes repeat, so that LZ4, the fastest codec, finds what zstd finds in whole numbers.
    What is no dictionary among texts keeps zstd: ids that count up shrink to a fifth of LZ4's. Without the
    Arrow schema in the file, readers take dictionaries for plain text.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return {
        "use_dictionary": [field.name for field in schema if pa.types.is_dictionary(field.type)],
        "use_byte_stream_split": [field.name for field in schema if pa.types.is_floating(field.type)],
        "compression": {name: "zstd" if name in texts else "lz4" for name in schema.names},
        "write_statistics": list(WITH_STATISTICS),
        "store_schema": False,
        "write_batch_size": GROUP_ROWS,
    }


def _by_day(rows: pa.RecordBatch) -> Iterator[tuple[date, pa.RecordBatch]]:
    """The rows of each prediction date, in their order."""
    instants = rows.column("prediction_time").cast(pa.timestamp("us"))  # UTC: no zone to look up
    days = pc.cast(instants, pa.date32())
    if len(pc.unique(days)) == 1:
        yield days[0].as_py(), rows
        return
    order = pc.sort_indices(days)
    rows, runs, start = rows.take(order), pc.run_end_encode(days.take(order)), 0
    for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield day, rows.slice(start, end - start)
        start = end
