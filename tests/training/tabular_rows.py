"""Seeded rows with categories, missing numbers and a label that depends on them, for the model families."""

from collections.abc import Callable

import numpy as np

from contracts.matrix import FeatureMatrix, Floats
from contracts.problem import Task
from features.schema.feature_column import FeatureColumn
from training.estimators.base import Dataset, Estimator
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.linear import LinearEstimator
from training.estimators.network import NetworkEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

COLUMNS = (
    FeatureColumn(name="shape", kind="categorical"),
    FeatureColumn(name="weight", kind="numeric"),
    FeatureColumn(name="colour", kind="categorical"),
    FeatureColumn(name="height", kind="numeric"),
    FeatureColumn(name="never_seen", kind="numeric"),
)
SHAPES = np.array(["round", "square", "long", "", "once in a while"], dtype=object)
COLOURS = np.array([f"colour {number}" for number in range(40)], dtype=object)
ESTIMATORS: tuple[Callable[[Task], Estimator], ...] = (
    BaseRateEstimator,
    LinearEstimator,
    lambda task: BoostedTreesEstimator(task, rounds=60),
    lambda task: BoostedTreesEstimator(task, rounds=40, refit=True),
    lambda task: NetworkEstimator(task, hidden=(16, 8), epochs=6, batch=128, learning_rate=0.01),
)
FAMILIES: dict[Task, tuple[str, ...]] = {
    "binary": ("base_rate", "logistic", "xgboost", "xgboost_refit", "network"),
    "regression": ("base_rate", "linear", "xgboost", "xgboost_refit", "network"),
}


def make_matrix(rows: int, seed: int) -> FeatureMatrix:
    """Two categories and three numbers; one number is always missing, the others now and then."""
    generator = np.random.default_rng(seed)
    shape = generator.choice(SHAPES, size=rows, p=[0.5, 0.3, 0.13, 0.06, 0.01])
    colour = COLOURS[np.minimum(generator.geometric(0.15, rows) - 1, len(COLOURS) - 1)]
    numeric = np.column_stack(
        [generator.normal(50, 10, rows), generator.exponential(1e4, rows), np.full(rows, np.nan)]
    )
    numeric[generator.random(numeric.shape) < 0.1] = np.nan
    return FeatureMatrix(np.column_stack([shape, colour]), numeric.astype(np.float32))


def make_logit(matrix: FeatureMatrix) -> Floats:
    """The truth: weight matters for round things, colour 0 matters, missing height matters."""
    weight = np.nan_to_num(matrix.numeric[:, 0].astype(np.float64), nan=50.0)
    lean = (weight - 50) / 10 * np.where(matrix.categorical[:, 0] == "round", 1.5, 0.3)
    return lean - 1.0 + (matrix.categorical[:, 1] == "colour 0") + np.isnan(matrix.numeric[:, 1])


def make_rows(task: Task, rows: int = 4_000, seed: int = 0) -> Dataset:
    """Rows with a label drawn (binary) or measured with noise around 1,000 (regression)."""
    matrix = make_matrix(rows, seed)
    generator, logit = np.random.default_rng(seed + 1), make_logit(matrix)
    if task == "regression":
        return Dataset(matrix, 1_000 + 100 * logit + generator.normal(0, 20, rows))
    return Dataset(matrix, (generator.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float64))


def log_loss(label: Floats, chance: Floats) -> float:
    """The mean log loss."""
    return float(-np.log(np.where(label == 1, chance, 1 - chance)).mean())
