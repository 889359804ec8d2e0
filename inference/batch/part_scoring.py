"""Score one part after the other: read, score in threads, log, keep."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from threading import Semaphore
from typing import Self

import numpy as np
import pyarrow as pa

from contracts.bundle.reader import read_bundle
from contracts.matrix import Floats, names_of
from inference.batch.historical import HistoricalReader
from inference.batch.in_order import in_order
from inference.batch.inputs import Part, read_part
from inference.batch.job import MODEL_VERSION, PREDICTION, BatchJob
from inference.batch.part_log import logging_part
from inference.batch.parts_folder import writing
from inference.batch.row_checks import RowChecks
from inference.core.arrow_matrix import arrow_matrix
from inference.errors import BatchInputError, ScoringError

PIECE_ROWS = 16_384
# Read, logged and kept at a time, which costs the less for each row the more there are; scored in pieces.
KEPT_ROWS = 2 * PIECE_ROWS
HISTORICAL_ROWS = 131_072
# One thread reads, logs and keeps about as fast as so many score.
THREADS_PER_READER = 4
Scored = tuple[pa.RecordBatch, Floats]


class PartScorer:
    """A job opened in this process. Parts may be scored at the same time; they share `threads` threads."""

    def __init__(self, job: BatchJob, threads: int) -> None:
        """Open the bundle.

        Raises:
            BundleError, FeatureError: it, or the feature repository, cannot be opened.
        """
        self._job, self._ahead = job, threads // 2 + 2
        self._scorer = read_bundle(job.bundle).scorer(threads=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="batch-score")
        readers = max(1, threads // THREADS_PER_READER)
        self._reading, self.parts_at_once = Semaphore(readers), readers + 1
        self._checks = RowChecks.of(job)
        self._historical = HistoricalReader(job) if job.historical else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def score(self, part: Part) -> Path:
        """Score a part, log it if asked, and keep it; the file that holds it.

        Raises:
            BatchInputError: a column does not hold what a request may, or the file is damaged.
            ScoringError: the model answers something that is no number.
        """
        with ExitStack() as turn:
            turn.enter_context(self._reading)
            path = self._job.path(part)
            with writing(path, self._job.schema) as keep, logging_part(self._job, path) as log:
                for rows, predictions in in_order(self._start, self._read(part, turn.close), self._ahead):
                    keep.write_batch(self._written(rows, predictions))
                    log(rows, predictions)
        return path

    def _read(self, part: Part, ended: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        """The part's rows. Until the last is read, the next part leaves the scoring threads to this one."""
        size, first = HISTORICAL_ROWS if self._historical else KEPT_ROWS, part.start
        for read in read_part(part, self._job.read, self._texts, size):
            rows = self._checks.checked(read, part, first)
            first += rows.num_rows
            complete = self._historical.add(rows) if self._historical else rows
            yield from _slices(complete, KEPT_ROWS)
        ended()

    def _start(self, rows: pa.RecordBatch) -> Callable[[], Scored]:
        pieces = [self._pool.submit(self._score, piece) for piece in _slices(rows, PIECE_ROWS)]
        return lambda: (rows, np.concatenate([piece.result() for piece in pieces]))

    def _score(self, rows: pa.RecordBatch) -> Floats:
        try:
            matrix = arrow_matrix(rows, self._job.columns)
        except pa.ArrowException as error:
            raise BatchInputError(f"a feature holds what the model cannot read: {error}; mend it") from error
        predictions = self._scorer.score_matrix(matrix)
        if not np.isfinite(predictions).all():
            raise ScoringError(f"version {self._job.version} answered no number; roll back")
        return predictions

    def _written(self, rows: pa.RecordBatch, predictions: Floats) -> pa.RecordBatch:
        results = {
            PREDICTION: pa.array(predictions),
            MODEL_VERSION: pa.repeat(self._job.version, rows.num_rows),
        }
        schema = self._job.schema
        arrays = [results[name] if name in results else rows.column(name) for name in schema.names]
        # Features are written as the model reads them: whole numbers beyond 2^53 are rounded.
        cast = [array.cast(field.type, safe=False) for array, field in zip(arrays, schema, strict=True)]
        return pa.RecordBatch.from_arrays(cast, schema=schema)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        """The columns to be read as dictionaries."""
        return () if self._historical else names_of(self._job.columns, "categorical")


def _slices(rows: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)
