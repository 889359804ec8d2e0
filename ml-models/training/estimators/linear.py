"""Logistic and ridge regression on one-hot categories and scaled numbers, kept as plain coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.encoders.numeric_scaling import NumericScaling
from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.encoders.vocabulary import Vocabulary
from contracts.matrix import FeatureMatrix, Floats, Numbers
from contracts.problem import Task
from training.estimators.base import Dataset, Params, require_learnable
from training.estimators.fitted import CalibratedModel, uncalibrated

if TYPE_CHECKING:
    from features.schema.feature_column import FeatureColumn


@dataclass(frozen=True)
class LinearCore:
    """A coefficient per category code, per scaled number and per missing flag, and an intercept."""

    family: str
    vocabulary: Vocabulary
    scaling: NumericScaling
    category_weights: tuple[Numbers, ...]
    number_weights: Numbers
    intercept: float
    chosen: Params

    def score(self, matrix: FeatureMatrix) -> Floats:
        """The linear score: a logit, or a value."""
        codes = self.vocabulary.encode(matrix.categorical)
        numbers = self.scaling.transform(matrix.numeric).astype(np.float64)
        score = numbers @ self.number_weights.astype(np.float64) + self.intercept
        for position, weights in enumerate(self.category_weights):
            score += weights[codes[:, position]]
        return score

    def append_to(self, graph: GraphBuilder) -> str:
        """Append look-ups and one product; a kind without columns leaves no node."""
        terms = [
            graph.add("Gather", graph.constant(weights), code)
            for weights, code in zip(self.category_weights, self.vocabulary.append_to(graph), strict=True)
        ]
        if graph.numeric:
            weights = graph.constant(self.number_weights)
            terms.append(graph.add("MatMul", self.scaling.append_to(graph), weights))
        return graph.add("Sum", *terms, graph.number(self.intercept))

    def save(self, folder: Path) -> Mapping[str, Any]:  # noqa: ARG002
        """Every coefficient as JSON: readable without this code."""
        return {
            "known": self.vocabulary.known,
            "scaling": self.scaling.as_lists(),
            "category_weights": [weights.tolist() for weights in self.category_weights],
            "number_weights": self.number_weights.tolist(),
            "intercept": self.intercept,
            "chosen": dict(self.chosen),
        }

    def params(self) -> Params:
        """Hyper-parameters."""
        return self.chosen

    def importance(self) -> Floats:
        """How far each column's coefficients spread."""
        value, flag = np.split(np.abs(self.number_weights.astype(np.float64)), 2)
        spread = [float(np.ptp(weights)) / 2 for weights in self.category_weights]
        return np.concatenate([spread, value + flag / 2])


@dataclass(frozen=True)
class LinearEstimator:
    """Logistic regression (binary) or ridge regression, fitted by scikit-learn.

    `strength` is the L2 penalty in rows; `maximum_rows` keeps the newest rows, since a linear model has
    learned what it can from them.
    """

    task: Task
    strength: float = 30.0
    minimum_count: int = 50
    maximum_size: int = 200
    maximum_rows: int = 80_000

    @property
    def family(self) -> str:
        """`logistic` or `linear`."""
        return "logistic" if self.task == "binary" else "linear"

    def fit(
        self,
        train: Dataset,
        early_stopping: Dataset,
        columns: Sequence[FeatureColumn],
        seed: int,  # noqa: ARG002
    ) -> CalibratedModel:
        """Fit on both windows: there is nothing to stop early, and the newest rows are the most alike."""
        rows = train.followed_by(early_stopping).newest(self.maximum_rows)
        require_learnable(rows, self.task == "binary")
        vocabulary = Vocabulary.fit(rows.matrix.categorical, self.minimum_count, self.maximum_size)
        scaling = NumericScaling.fit(rows.matrix.numeric)
        design = _design(rows.matrix, vocabulary, scaling)
        weights, intercept = _solve(self.task, design, rows.label, self.strength)
        core = self._core(vocabulary, scaling, weights.astype(np.float32), intercept)
        return uncalibrated(core, columns, self.task)

    def _core(
        self, vocabulary: Vocabulary, scaling: NumericScaling, weights: Numbers, intercept: float
    ) -> LinearCore:
        cuts = np.cumsum(vocabulary.sizes, dtype=np.int64)
        *categories, numbers = np.split(weights, cuts)
        chosen: Params = {
            "strength": self.strength,
            "minimum_count": self.minimum_count,
            "maximum_rows": self.maximum_rows,
        }
        return LinearCore(self.family, vocabulary, scaling, tuple(categories), numbers, intercept, chosen)


def _design(matrix: FeatureMatrix, vocabulary: Vocabulary, scaling: NumericScaling) -> Floats:
    codes = vocabulary.encode(matrix.categorical)
    numbers = scaling.transform(matrix.numeric)
    starts = np.concatenate([[0], np.cumsum(vocabulary.sizes, dtype=np.int64)])
    design = np.zeros((len(codes), int(starts[-1]) + numbers.shape[1]))
    rows = np.arange(len(codes))
    for position in range(codes.shape[1]):
        design[rows, starts[position] + codes[:, position]] = 1.0
    design[:, starts[-1] :] = numbers
    return design


def _solve(task: Task, design: Floats, label: Floats, strength: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression, Ridge

    if task == "regression":
        ridge = Ridge(alpha=strength).fit(design, label)
        return ridge.coef_, float(ridge.intercept_)
    logistic = LogisticRegression(C=1.0 / strength, solver="newton-cholesky", max_iter=30)
    logistic.fit(design, label)
    return logistic.coef_[0], float(logistic.intercept_[0])


def load_core(folder: Path, family: str, saved: Mapping[str, Any]) -> LinearCore:  # noqa: ARG001
    """Read the core back."""
    return LinearCore(
        family,
        Vocabulary(tuple(tuple(known) for known in saved["known"])),
        NumericScaling.from_lists(saved["scaling"]),
        tuple(np.asarray(weights, np.float32) for weights in saved["category_weights"]),
        np.asarray(saved["number_weights"], np.float32),
        saved["intercept"],
        saved["chosen"],
    )
