"""A part's rows on their way to the prediction log, under names that a second try writes again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from contracts.matrix import Floats
from contracts.problem import load_problem
from inference.batch.job import BatchJob
from inference.batch.log_files import LogFiles
from inference.batch.logged import log_rows
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import log_folder

TakeScored = Callable[[pa.RecordBatch, Floats], None]


def log_name(part: Path) -> str:
    """How the names of a part's log files begin."""
    return f"batch-{part.stem}"


@contextmanager
def logging_part(job: BatchJob, part: Path) -> Iterator[TakeScored]:
    """What takes the scored rows of the part kept at `part`; they are in the log once this ends well.

    If the job is not to be logged, it takes them and does nothing.
    """
    if not job.log:
        yield _ignore
        return
    problem = load_problem(job.settings.problem)
    pseudonyms = Pseudonyms.configured(job.settings, problem)
    with LogFiles(log_folder(job.settings), log_name(part)) as files:

        def take(rows: pa.RecordBatch, predictions: Floats) -> None:
            files.write(log_rows(problem, job.columns, rows, predictions, job.version, pseudonyms))

        yield take


def _ignore(_rows: pa.RecordBatch, _predictions: Floats) -> None:
    """There is no log to take them."""
