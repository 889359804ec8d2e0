"""A fitted model of any family: its own raw score, then calibration; saved as JSON and safe files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from contracts.bundle.contract import NATIVE_FILE
from contracts.encoders.calibration import Calibration, fit_calibration
from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.matrix import FeatureMatrix, Floats, names_of
from contracts.problem import Task
from training.estimators.base import Dataset, Params

if TYPE_CHECKING:
    import onnx

    from features.schema.feature_column import FeatureColumn

NATIVE_VERSION = 1


@dataclass(frozen=True)
class Columns:
    """The names of a model's columns by kind, in order."""

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[FeatureColumn]) -> Columns:
        """Split the feature service's columns by kind."""
        return cls(names_of(columns, "categorical"), names_of(columns, "numeric"))

    @property
    def names(self) -> tuple[str, ...]:
        """Categories first, then numbers: the order in which every family reads them."""
        return self.categorical + self.numeric


class Core(Protocol):
    """What a family adds: a raw score (a logit, or a value), in NumPy and as a graph."""

    @property
    def family(self) -> str:
        """The family's name."""

    def score(self, matrix: FeatureMatrix) -> Floats:
        """Raw scores, float64 (N,)."""

    def append_to(self, graph: GraphBuilder) -> str:
        """Append the raw score, float32 (N,)."""

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write large parts into the folder; return the rest, ready for JSON."""

    def params(self) -> Params:
        """Hyper-parameters and what fitting chose."""

    def importance(self) -> Floats:
        """Non-negative weight of each column, categories first, float64 (C + F,)."""


@dataclass(frozen=True)
class CalibratedModel:
    """A family's core with its calibration: the one implementation of `FittedModel`."""

    core: Core
    columns: Columns
    calibration: Calibration

    @property
    def family(self) -> str:
        """The family's name."""
        return self.core.family

    def predict(self, matrix: FeatureMatrix) -> Floats:
        """The probability of the positive class, or the regressed value: float64 (N,)."""
        return self.calibration.apply(self.core.score(matrix))

    def calibrate(self, calibration: Dataset) -> CalibratedModel:
        """The same core, its calibration fitted anew."""
        raw = self.core.score(calibration.matrix)
        return replace(self, calibration=fit_calibration(self.calibration.task, raw, calibration.label))

    def to_onnx(self) -> onnx.ModelProto:
        """One graph from raw columns to the calibrated prediction."""
        graph = GraphBuilder(len(self.columns.categorical), len(self.columns.numeric))
        return graph.build(self.calibration.append_to(graph, self.core.append_to(graph)))

    def save_native(self, folder: Path) -> None:
        """Write `model.json` and the family's own files."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "native_version": NATIVE_VERSION,
            "family": self.family,
            "columns": asdict(self.columns),
            "calibration": asdict(self.calibration),
            "core": dict(self.core.save(folder)),
        }
        (folder / NATIVE_FILE).write_text(json.dumps(content, indent=1) + "\n")

    def params(self) -> Params:
        """The core's parameters and the calibration."""
        line = {
            "calibration_slope": self.calibration.slope,
            "calibration_intercept": self.calibration.intercept,
        }
        return {**self.core.params(), **line}

    def feature_importance(self) -> dict[str, float]:
        """Each column's share; sums to one, or all zero when none is used."""
        weights = np.asarray(self.core.importance(), dtype=np.float64)
        total = weights.sum() or 1.0
        return dict(zip(self.columns.names, (weights / total).tolist(), strict=True))


def uncalibrated(core: Core, columns: Sequence[FeatureColumn], task: Task) -> CalibratedModel:
    """A model fresh from fitting: its calibration changes nothing."""
    return CalibratedModel(core, Columns.of(columns), Calibration(task))
