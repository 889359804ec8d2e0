"""The version's reference sample: what the exported model is compared on with the served one."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.bundle.reader import Bundle
from contracts.bundle.scorer import Scorer
from contracts.matrix import FeatureMatrix, Floats
from contracts.problem import Task
from inference.core.arrow_matrix import arrow_matrix
from inference.edge.errors import SampleError

SAMPLE_ROWS = 1_000
SMALLEST_CHANCE = 1e-7
METRICS: dict[Task, str] = {"binary": "log_loss", "regression": "rmse"}


@dataclass(frozen=True)
class Sample:
    """Rows as a matrix and as records by feature name, with their labels (N,)."""

    matrix: FeatureMatrix
    records: list[dict[str, str | float | None]]
    label: Floats
    task: Task

    def metric(self, prediction: Floats) -> float:
        """The log loss (binary) or the root mean squared error."""
        if self.task == "regression":
            return float(np.sqrt(np.mean((prediction - self.label) ** 2)))
        chance = np.clip(prediction, SMALLEST_CHANCE, 1 - SMALLEST_CHANCE)
        return float(-np.mean(np.where(self.label == 1, np.log(chance), np.log(1 - chance))))

    def score_singly(self, scorer: Scorer) -> Floats:
        """Row by row: what a quantised graph answers to a row depends on the rows beside it."""
        rows = (self.matrix.rows(slice(row, row + 1)) for row in range(len(self.matrix)))
        return np.concatenate([scorer.score_matrix(row) for row in rows])


def read_sample(bundle: Bundle) -> Sample:
    """At most `SAMPLE_ROWS` rows, spread over the whole sample.

    Raises:
        SampleError: it is empty, or lacks a column.
    """
    contract = bundle.contract
    try:
        table = _spread(pq.read_table(bundle.reference))
        matrix = arrow_matrix(table, contract.columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise SampleError(f"the reference sample cannot be read ({error}); train again") from error
    names = [column.name for column in contract.columns]
    records = [{name: _plain(row[name]) for name in names} for row in table.select(names).to_pylist()]
    label = np.asarray(table.column(contract.label).to_numpy(), dtype=np.float64)
    return Sample(matrix, records, label, contract.task)


def _spread(table: pa.Table) -> pa.Table:
    if not table.num_rows:
        raise SampleError("the reference sample has no rows; train again")
    rows = np.unique(np.linspace(0, table.num_rows - 1, min(SAMPLE_ROWS, table.num_rows)).astype(np.int64))
    return table.take(pa.array(rows)).combine_chunks()


def _plain(value: str | float | None) -> str | float | None:
    return None if value is None or value != value else value
