"""Gradient-boosted trees by XGBoost: categories as frequency ranks, missing numbers as XGBoost's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from contracts.encoders.calibration import sigmoid
from contracts.encoders.numeric_scaling import finite
from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.encoders.vocabulary import Vocabulary
from contracts.matrix import FeatureMatrix, Floats, Numbers
from contracts.problem import Task
from training.estimators.base import Dataset, Params, require_learnable
from training.estimators.base_rate import smoothed_logit
from training.estimators.fitted import CalibratedModel, uncalibrated
from training.estimators.tree_onnx import append_trees

if TYPE_CHECKING:
    from features.schema.feature_column import FeatureColumn

TREES_FILE = "trees.json"
# The hessian of the log loss in a row whose class is one in nine: p(1 - p).
COMMON_ROW = 0.1


@dataclass(frozen=True)
class BoostedTreesCore:
    """A booster, cut at the chosen number of rounds, and the raw score that it starts from."""

    booster: xgboost.Booster
    vocabulary: Vocabulary
    base: float
    width: int
    chosen: Params
    family: str = "xgboost"

    def score(self, matrix: FeatureMatrix) -> Floats:
        """The margin: a logit, or a value."""
        margin = self.booster.inplace_predict(_inputs(matrix, self.vocabulary), predict_type="margin")
        return np.asarray(margin, dtype=np.float64)

    def append_to(self, graph: GraphBuilder) -> str:
        """Append encoders, trees and the base score."""
        codes = [
            graph.add("Unsqueeze", graph.add("Cast", code, to=1), graph.axes(1))
            for code in self.vocabulary.append_to(graph)
        ]
        parts = [*codes, graph.finite_numbers()] if graph.numeric else codes
        return graph.add("Add", append_trees(graph, self.booster, graph.join(parts)), graph.number(self.base))

    def save(self, folder: Path) -> Mapping[str, Any]:
        """The trees as XGBoost's JSON, the rest as ours."""
        self.booster.save_model(folder / TREES_FILE)
        return {
            "known": self.vocabulary.known,
            "base": self.base,
            "width": self.width,
            "chosen": dict(self.chosen),
        }

    def params(self) -> Params:
        """Hyper-parameters and the number of rounds."""
        return self.chosen

    def importance(self) -> Floats:
        """The loss that each column's splits took away."""
        gains = self.booster.get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{position}", 0.0) for position in range(self.width)])


@dataclass(frozen=True)
class BoostedTreesEstimator:
    """XGBoost's histogram method with early stopping; equal input, seed and `threads` give equal bytes.

    `min_child_weight` is that of a common class. A row weighs p(1 - p), 0.005 at 0.5 % positives: of a rarer
    class than `COMMON_ROW`'s, one in nine, it is scaled down, and a leaf asks for as many rows as there.

    With `refit`, the number of rounds that early stopping chose is fitted again on both windows, so that the
    trees have seen the newest rows.
    """

    task: Task
    rounds: int = 600
    patience: int = 25
    learning_rate: float = 0.08
    max_depth: int = 6
    min_child_weight: float = 30.0
    subsample: float = 0.8
    colsample_bytree: float = 0.6
    reg_lambda: float = 2.0
    max_bin: int = 128
    minimum_count: int = 100
    maximum_size: int = 200
    refit: bool = False
    threads: int = 2
    family: str = "xgboost"

    def fit(
        self, train: Dataset, early_stopping: Dataset, columns: Sequence[FeatureColumn], seed: int
    ) -> CalibratedModel:
        """Fit, stop early, and refit if asked."""
        require_learnable(train, self.task == "binary")
        vocabulary = Vocabulary.fit(train.matrix.categorical, self.minimum_count, self.maximum_size)
        base = _base(self.task, train.label)
        parameters = self._parameters(base, seed)
        booster = self._grow(parameters, train, early_stopping, vocabulary)
        if self.refit:
            everything = self._data(train.followed_by(early_stopping), vocabulary)
            booster = xgboost.train(parameters, everything, booster.num_boosted_rounds())
        chosen = {**asdict(self), "rounds_fitted": booster.num_boosted_rounds()}
        return uncalibrated(
            BoostedTreesCore(booster, vocabulary, base, len(columns), chosen), columns, self.task
        )

    def _grow(
        self,
        parameters: Mapping[str, Any],
        train: Dataset,
        early_stopping: Dataset,
        vocabulary: Vocabulary,
    ) -> xgboost.Booster:
        data = self._data(train, vocabulary)
        if not len(early_stopping):
            return xgboost.train(parameters, data, self.rounds)
        later = self._data(early_stopping, vocabulary, reference=data)
        booster = xgboost.train(
            parameters,
            data,
            self.rounds,
            evals=[(later, "early_stopping")],
            early_stopping_rounds=self.patience,
            verbose_eval=False,
        )
        return booster[: booster.best_iteration + 1]

    def _data(
        self, rows: Dataset, vocabulary: Vocabulary, reference: xgboost.QuantileDMatrix | None = None
    ) -> xgboost.QuantileDMatrix:
        inputs = _inputs(rows.matrix, vocabulary)
        return xgboost.QuantileDMatrix(
            inputs, rows.label, ref=reference, max_bin=self.max_bin, nthread=self.threads
        )

    def _parameters(self, base: float, seed: int) -> dict[str, Any]:
        binary = self.task == "binary"
        return {
            "objective": "binary:logistic" if binary else "reg:squarederror",
            "eval_metric": "logloss" if binary else "rmse",
            "base_score": float(sigmoid(np.asarray(base))) if binary else base,
            "tree_method": "hist",
            "device": "cpu",
            "nthread": self.threads,
            "seed": seed,
            "max_bin": self.max_bin,
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight * (_rarity(base) if binary else 1.0),
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
        }


def _rarity(base: float) -> float:
    """How much less a row weighs than one of a common class, at most 1; `base` is its log odds."""
    rate = float(sigmoid(np.asarray(base)))
    return min(1.0, rate * (1.0 - rate) / COMMON_ROW)


def _base(task: Task, label: Floats) -> float:
    """The raw score before the first tree, rounded as XGBoost stores it."""
    return float(np.float32(smoothed_logit(label) if task == "binary" else label.mean()))


def _inputs(matrix: FeatureMatrix, vocabulary: Vocabulary) -> Numbers:
    codes = vocabulary.encode(matrix.categorical).astype(np.float32)
    return np.concatenate([codes, finite(matrix.numeric)], axis=1)


def load_core(folder: Path, family: str, saved: Mapping[str, Any]) -> BoostedTreesCore:  # noqa: ARG001
    """Read the core back."""
    booster = xgboost.Booster()
    booster.load_model(folder / TREES_FILE)
    vocabulary = Vocabulary(tuple(tuple(known) for known in saved["known"]))
    return BoostedTreesCore(booster, vocabulary, saved["base"], saved["width"], saved["chosen"])
