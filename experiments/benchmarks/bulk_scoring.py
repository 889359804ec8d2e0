"""`make bench-bulk_scoring`: Parquet to Parquet against the bare model on matrices made beforehand."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from contracts.bundle.reader import Bundle
from contracts.matrix import FeatureMatrix, Floats
from experiments.benchmarks.bulk.world import COLUMNS, write_model, write_rows
from experiments.replay.console import new_table
from features.command_line import run_commands
from features.settings import Settings
from inference.batch.inputs import find_inputs
from inference.batch.job import PREDICTION, plan_job
from inference.batch.part_scoring import PIECE_ROWS
from inference.batch.run import BatchOptions, run_job
from inference.core.arrow_matrix import arrow_matrix
from inference.settings import InferenceSettings

ROWS, FIT_ROWS, REPEATS = 600_000, 20_000, 5
PROBLEM = "experiments.benchmarks.bulk.world:PROBLEM"
# Several threads add up the trees in another order.
ROUNDING = 1e-6
BARE = "bare_one_call_a_core"
WAYS = {
    "batch": BatchOptions(),
    "batch_with_features": BatchOptions(features=True),
    "batch_logged": BatchOptions(log=True),
}

# What is timed; it leaves the predictions in memory or in a file.
Run = Callable[[], Floats | Path]


@dataclass(frozen=True)
class Bench:
    """A bundle, a file, the same rows as matrices, and where the outputs go."""

    settings: InferenceSettings
    bundle: Bundle
    source: Path
    matrices: Sequence[FeatureMatrix]
    folder: Path

    @property
    def rows(self) -> int:
        """How many rows are scored."""
        return sum(map(len, self.matrices))

    def score_file(self, options: BatchOptions) -> Path:
        """The whole command, short of finding the version; the file with the predictions."""
        folder, target = self.folder / "parts", self.folder / "out.parquet"
        folder.mkdir()
        files = find_inputs(self.source)
        job = plan_job(self.settings, self.bundle, "1", files, folder, options.log, options.features)
        run_job(job, files, target, options)
        return target


def main() -> None:
    """Measure, print a table, write the figures."""
    figures = measure_batch()
    write_report(Console(), figures, Settings().var / "bench" / "bulk_scoring.json")


def measure_batch() -> dict[str, float]:
    """Rows a second of each contestant, medians of interleaved runs, and ratios to the faster bare model.

    Raises:
        RuntimeError: some contestant answers otherwise.
    """
    bench = prepare(Settings())
    contestants = make_contestants(bench)
    require_equal(contestants)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(REPEATS):
        for name, run in contestants.items():
            taken[name].append(time_run(run))
    shutil.rmtree(bench.folder)
    wall, cpu = ({name: median(runs[clock] for runs in taken[name]) for name in taken} for clock in (0, 1))
    return make_figures(bench.rows, wall, cpu)


def time_run(run: Run) -> tuple[float, float]:
    """Seconds by the clock, and of the processors."""
    started, worked = perf_counter(), process_time()
    run()
    return perf_counter() - started, process_time() - worked


def prepare(settings: Settings) -> Bench:
    """Fit the model and write the file, anew each time."""
    folder = settings.var / "bench" / "bulk_scoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    apart = InferenceSettings(var=folder / "var", problem=PROBLEM)
    source = write_rows(folder / "in.parquet", ROWS)
    names = [column.name for column in COLUMNS]
    pieces = pq.ParquetFile(source).iter_batches(PIECE_ROWS, columns=names)
    matrices = [arrow_matrix(piece, COLUMNS) for piece in pieces]
    return Bench(apart, write_model(folder / "bundle", FIT_ROWS), source, matrices, folder)


def make_contestants(bench: Bench) -> Mapping[str, Run]:
    """The bare model two ways, one session on every core and every core its own call; then the command."""
    cores = len(os.sched_getaffinity(0))

    def on_every_core(score: Callable[[FeatureMatrix], Floats], threads: int) -> Run:
        def run() -> Floats:
            with ThreadPoolExecutor(threads) as pool:
                return np.concatenate(list(pool.map(score, bench.matrices)))

        return run

    def command(options: BatchOptions) -> Run:
        return lambda: bench.score_file(options)

    return {
        "bare_one_session": on_every_core(bench.bundle.scorer(threads=cores).score_matrix, 1),
        BARE: on_every_core(bench.bundle.scorer(threads=1).score_matrix, cores),
        **{name: command(options) for name, options in WAYS.items()},
    }


def require_equal(contestants: Mapping[str, Run]) -> None:
    """Run each once, and refuse to compare what answers differently.

    Raises:
        RuntimeError: some predictions differ.
    """
    answers = {name: _predictions(run()) for name, run in contestants.items()}
    expected = answers[BARE]
    for name, answer in answers.items():
        if answer.shape != expected.shape or np.abs(answer - expected).max() > ROUNDING:
            raise RuntimeError(f"{name} answers otherwise than the bare model: no comparison")


def _predictions(answer: Floats | Path) -> Floats:
    if isinstance(answer, Path):
        return np.asarray(pq.read_table(answer, columns=[PREDICTION])[PREDICTION].to_numpy())
    return answer


def make_figures(rows: int, wall: Mapping[str, float], cpu: Mapping[str, float]) -> dict[str, float]:
    """Rows a second by contestant, and each way of the command as a share of the faster bare model.

    The processors' ratio is what is left of the other on a machine that has something else to do.
    """
    speed = {name: rows / seconds for name, seconds in wall.items()}
    bare = max(value for name, value in speed.items() if name.startswith("bare"))
    least = min(seconds for name, seconds in cpu.items() if name.startswith("bare"))
    others = [name for name in WAYS if name != "batch"]
    return {
        "rows": float(rows),
        "ratio_vs_bare_model": speed["batch"] / bare,
        "ratio_processor_seconds_vs_bare_model": least / cpu["batch"],
        **{f"ratio_{name}_vs_bare_model": speed[name] / bare for name in others},
        **{f"ratio_processor_seconds_{name}_vs_bare_model": least / cpu[name] for name in others},
        **{f"rows_per_second_{name}": value for name, value in speed.items()},
    }


def write_report(console: Console, figures: Mapping[str, float], path: Path) -> None:
    """Print the figures and write them as JSON."""
    table = new_table("Bulk scoring, medians of interleaved runs", ("figure", "value"))
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if name.startswith("ratio") else f"{value:,.0f}")
    console.print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"Written to {path}")


if __name__ == "__main__":
    run_commands(main)
