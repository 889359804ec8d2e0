"""Run the exported folder as its user would, and measure it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

import numpy as np

from contracts.bundle.scorer import Scorer
from contracts.matrix import Floats
from contracts.parity import largest_difference
from inference.edge.errors import EdgeParityError
from inference.edge.manifest import RUNNER_FILE
from inference.edge.runner import Runner
from inference.edge.sample import Sample

Row = TypeVar("Row")
PARITY_LIMIT = 1e-6
PATIENCE = 120.0
TIMED_ROWS = 200


def run_exported(folder: Path, sample: Sample) -> Floats:
    """The runner's answers (N,), from a process of its own.

    Raises:
        EdgeParityError: it ends with an error, or answers some row with one.
    """
    lines = "".join(f"{json.dumps(record)}\n" for record in sample.records)
    command = [sys.executable, "-I", str(folder / RUNNER_FILE)]
    try:
        ended = subprocess.run(
            command, input=lines, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return np.array([json.loads(line)["prediction"] for line in ended.stdout.splitlines()])
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        reason = getattr(error, "stderr", None) or repr(error)
        raise EdgeParityError(
            f"the exported runner does not answer ({reason}); nothing was written"
        ) from error


def largest_error(answers: Floats, expected: Floats, scale: float = 1.0) -> float:
    """The largest difference, as a share of `scale` as training has it; infinite if rows are missing."""
    if answers.shape != expected.shape:
        return float("inf")
    return largest_difference(answers, expected, scale)


def require_parity(error: float, limit: float = PARITY_LIMIT) -> None:
    """Refuse an export whose runner answers otherwise than its graph.

    Raises:
        EdgeParityError: the largest difference is beyond the limit.
    """
    if error > limit:
        raise EdgeParityError(
            f"the runner's answers differ by up to {error:.2g}, allowed are {limit:.2g}; nothing was written"
        )


def time_exported(folder: Path, sample: Sample) -> float:
    """Median microseconds that the runner takes for one row."""
    runner = Runner(folder)
    return _time(runner.predict, sample.records[:TIMED_ROWS])


def time_served(scorer: Scorer, sample: Sample) -> float:
    """Median microseconds that the served scorer takes for one row that is a matrix already."""
    rows = [sample.matrix.rows(slice(row, row + 1)) for row in range(min(TIMED_ROWS, len(sample.matrix)))]
    return _time(scorer.score_matrix, rows)


def _time(call: Callable[[Row], object], rows: Sequence[Row]) -> float:
    taken = []
    for row in rows:
        started = perf_counter()
        call(row)
        taken.append(perf_counter() - started)
    return median(taken) * 1e6
