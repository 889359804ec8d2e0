"""A part's rows on their way to the prediction log, under names that a second try writes again."""

import numpy as np
import pyarrow as pa

from inference.batch.job import BatchJob
from inference.batch.logged import log_table
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import log_folder
from inference.prediction_log.sealing import write_parts
from training.matrix import Floats
from training.problem import load_problem

LOG_ROWS = 131_072


class PartLog:
    """Collects rows and writes them `LOG_ROWS` or so at a time; a repeated part overwrites what it wrote."""

    def __init__(self, job: BatchJob, name: str) -> None:
        self._job, self._name = job, name
        self._problem = load_problem(job.settings.problem)
        self._pseudonyms = Pseudonyms.configured(job.settings, self._problem)
        self._rows: list[pa.RecordBatch] = []
        self._predictions: list[Floats] = []
        self._written = 0

    def add(self, rows: pa.RecordBatch, predictions: Floats) -> None:
        """Take scored rows."""
        self._rows.append(rows)
        self._predictions.append(predictions)
        if sum(len(known) for known in self._predictions) >= LOG_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if not self._rows:
            return
        rows = pa.Table.from_batches(self._rows).unify_dictionaries()
        table = log_table(
            self._problem,
            self._job.columns,
            rows,
            np.concatenate(self._predictions),
            self._job.version,
            self._pseudonyms,
        )
        write_parts(table, log_folder(self._job.settings), f"batch-{self._name}-{self._written:04d}")
        self._rows, self._predictions, self._written = [], [], self._written + 1
