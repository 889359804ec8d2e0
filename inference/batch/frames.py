"""Bulk scoring of frames in memory, for those who hold one anyway."""

from datetime import UTC, datetime
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from contracts.bundle.reader import Bundle
from contracts.matrix import Floats, to_matrix
from contracts.problem import Problem
from inference.batch.job import EVENT_TIMESTAMP
from inference.batch.log_files import LogFiles
from inference.batch.logged import EXAMPLE_ID, log_rows
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import log_folder
from inference.settings import InferenceSettings

BATCH_THREADS = 2


def score_frame(bundle: Bundle, frame: pd.DataFrame) -> Floats:
    """Predictions, float64 (N,), for rows that hold the bundle's feature columns.

    Raises:
        MatrixError: the frame lacks a column.
    """
    return bundle.scorer(threads=BATCH_THREADS).score_matrix(to_matrix(frame, bundle.contract.columns))


def log_scored(
    settings: InferenceSettings,
    problem: Problem,
    bundle: Bundle,
    examples: pd.DataFrame,
    predictions: Floats,
    version: str,
) -> None:
    """Append bulk predictions to the prediction log under `example_id`.

    `examples`: `example_id`, every request field, `event_timestamp` (UTC, the prediction instant), and the
    bundle's features. A feature without a value is logged as missing; ages are not known here.
    """
    columns = bundle.contract.columns
    names = [EXAMPLE_ID, EVENT_TIMESTAMP, *(field.name for field in problem.fields)]
    wanted = examples[[*names, *(column.name for column in columns)]].astype({EXAMPLE_ID: str})
    rows = pa.RecordBatch.from_pandas(wanted, preserve_index=False)
    name = f"batch-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
    pseudonyms = Pseudonyms.configured(settings, problem)
    with LogFiles(log_folder(settings), name) as files:
        files.write(log_rows(problem, columns, rows, predictions, version, pseudonyms))
