"""`make bench-scoring`: the served ONNX graph against XGBoost's own ways to score one row and many."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd
import xgboost
from rich.console import Console

from contracts.bundle.scorer import Scorer
from contracts.matrix import FeatureMatrix
from experiments.replay.console import new_table
from features.command_line import run_commands
from features.schema.feature_column import FeatureColumn
from features.settings import Settings
from training.estimators.base import Dataset
from training.estimators.xgboost_trees import BoostedTreesCore, BoostedTreesEstimator

FIT_ROWS, NUMBERS, SEED = 20_000, 60, 0
ROUNDS, REPEATS = 9, 100
BATCHES = (1, 1_000)

Contestants = Mapping[str, Callable[[FeatureMatrix], object]]


def main() -> None:
    """Measure all contestants in turn, several times, and report medians and ratios."""
    contestants = make_contestants(draw_dataset(FIT_ROWS))
    figures: dict[str, float] = {}
    for rows in BATCHES:
        figures |= measure(contestants, draw_dataset(rows).matrix, rows)
    write_report(Console(), figures, Settings().var / "bench" / "scoring.json")


def draw_dataset(rows: int) -> Dataset:
    """Random numbers with gaps, and a label that depends on two of them."""
    random = np.random.default_rng(SEED)
    numeric = random.normal(size=(rows, NUMBERS)).astype(np.float32)
    label = (numeric[:, 0] + numeric[:, 1] ** 2 + random.normal(size=rows) > 1).astype(np.float64)
    numeric[random.random(numeric.shape) < 0.05] = np.nan
    return Dataset(FeatureMatrix(np.empty((rows, 0), dtype=object), numeric), label)


def make_contestants(data: Dataset) -> Contestants:
    """The same trees three ways: the graph that serves, the booster in place, the booster on a data frame."""
    columns = tuple(FeatureColumn(name=f"f{number}", kind="numeric") for number in range(NUMBERS))
    estimator = BoostedTreesEstimator(task="binary", rounds=200, patience=200)
    model = estimator.fit(data, data.newest(1_000), columns, SEED)
    scorer = Scorer(model.to_onnx().SerializeToString(), threads=1)
    assert isinstance(model.core, BoostedTreesCore)
    booster = model.core.booster
    booster.set_param({"nthread": 1})
    return {
        "onnx": scorer.score_matrix,
        "inplace_predict": lambda matrix: booster.inplace_predict(matrix.numeric),
        "data_frame": lambda matrix: booster.predict(xgboost.DMatrix(pd.DataFrame(matrix.numeric))),
    }


def measure(contestants: Contestants, matrix: FeatureMatrix, rows: int) -> dict[str, float]:
    """Median microseconds a call, interleaved, and each contestant's time as a multiple of the graph's."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, score in contestants.items():
            times[name].append(time_calls(partial(score, matrix), max(REPEATS // rows, 5)))
    medians = {name: median(values) for name, values in times.items()}
    figures = {f"microseconds_{name}_{rows}": value for name, value in medians.items()}
    return figures | {
        f"ratio_{name}_vs_onnx_{rows}": medians[name] / medians["onnx"] for name in medians if name != "onnx"
    }


def time_calls(call: Callable[[], object], repeats: int) -> float:
    """Mean microseconds of one call."""
    started = perf_counter()
    for _ in range(repeats):
        call()
    return (perf_counter() - started) / repeats * 1e6


def write_report(console: Console, figures: Mapping[str, float], path: Path) -> None:
    """Print the figures and write them as JSON."""
    table = new_table("One call, 200 trees, one thread; medians of interleaved runs", ("figure", "value"))
    for name, value in figures.items():
        table.add_row(name, f"{value:,.1f}")
    console.print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"Written to {path}")


if __name__ == "__main__":
    run_commands(main)
