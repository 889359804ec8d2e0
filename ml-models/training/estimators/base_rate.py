"""The floor that every model must beat: one number for everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.matrix import FeatureMatrix, Floats
from contracts.problem import Task
from training.estimators.base import Dataset, Params, require_learnable
from training.estimators.fitted import CalibratedModel, uncalibrated

if TYPE_CHECKING:
    from features.schema.feature_column import FeatureColumn


@dataclass(frozen=True)
class BaseRateCore:
    """One raw score for every row."""

    level: float
    width: int
    family: str = "base_rate"

    def score(self, matrix: FeatureMatrix) -> Floats:
        """The same score, N times."""
        return np.full(len(matrix), self.level)

    def append_to(self, graph: GraphBuilder) -> str:
        """Expand the score to the number of rows."""
        return graph.add("Expand", graph.number(self.level), graph.row_count())

    def save(self, folder: Path) -> Mapping[str, Any]:  # noqa: ARG002
        """Everything fits in JSON."""
        return {"level": self.level, "width": self.width}

    def params(self) -> Params:
        """Nothing to choose."""
        return {}

    def importance(self) -> Floats:
        """No column is used."""
        return np.zeros(self.width)


@dataclass(frozen=True)
class BaseRateEstimator:
    """Laplace-smoothed share of positives, or the mean."""

    task: Task
    family: str = "base_rate"

    def fit(
        self,
        train: Dataset,
        early_stopping: Dataset,  # noqa: ARG002
        columns: Sequence[FeatureColumn],
        seed: int,  # noqa: ARG002
    ) -> CalibratedModel:
        """Count. One class only is no obstacle here: smoothing keeps the share inside (0, 1)."""
        require_learnable(train, binary=False)
        level = smoothed_logit(train.label) if self.task == "binary" else float(train.label.mean())
        return uncalibrated(BaseRateCore(level, len(columns)), columns, self.task)


def smoothed_logit(label: Floats) -> float:
    """The log odds of the positive class with one imaginary row of each."""
    positive = float(label.sum())
    return float(np.log((positive + 1.0) / (len(label) - positive + 1.0)))


def load_core(folder: Path, family: str, saved: Mapping[str, Any]) -> BaseRateCore:  # noqa: ARG001
    """Read the core back."""
    return BaseRateCore(saved["level"], saved["width"])
