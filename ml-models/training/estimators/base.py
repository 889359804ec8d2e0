"""What every model family offers: an estimator that fits, and a fitted model that predicts and exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from contracts.matrix import FeatureMatrix, Floats
from training.errors import EmptyWindowError, SingleClassError, TrainingError

if TYPE_CHECKING:
    import onnx

    from features.schema.feature_column import FeatureColumn

Params = Mapping[str, str | int | float]


class EstimatorError(TrainingError):
    """A model cannot be fitted, saved or loaded with what it was given."""


@dataclass(frozen=True)
class Dataset:
    """Rows with their labels (0 or 1, or the value to regress), oldest first, float64 (N,)."""

    matrix: FeatureMatrix
    label: Floats

    def __post_init__(self) -> None:
        if len(self.matrix) != len(self.label):
            raise EstimatorError(
                f"{len(self.matrix)} rows but {len(self.label)} labels; pass one for each row"
            )

    def __len__(self) -> int:
        return len(self.label)

    def followed_by(self, later: Dataset) -> Dataset:
        """These rows and then the later ones."""
        matrix = FeatureMatrix(
            np.concatenate([self.matrix.categorical, later.matrix.categorical]),
            np.concatenate([self.matrix.numeric, later.matrix.numeric]),
        )
        return Dataset(matrix, np.concatenate([self.label, later.label]))

    def newest(self, rows: int) -> Dataset:
        """The last `rows` rows, or all when there are fewer."""
        start = max(0, len(self) - rows)
        return Dataset(self.matrix.rows(slice(start, None)), self.label[start:])


class FittedModel(Protocol):
    """A fitted model. Immutable: calibrating returns another one."""

    @property
    def family(self) -> str:
        """The family's name, as registered."""

    def predict(self, matrix: FeatureMatrix) -> Floats:
        """The probability of the positive class, or the regressed value: float64 (N,)."""

    def calibrate(self, calibration: Dataset) -> FittedModel:
        """The same model, its output fitted to rows that it was not trained on."""

    def to_onnx(self) -> onnx.ModelProto:
        """One graph from raw columns to the calibrated prediction.

        Inputs "categorical" string (N, C) and "numeric" float32 (N, F), each absent when it has no columns;
        output "prediction" float32 (N,).
        """

    def save_native(self, folder: Path) -> None:
        """Write the model into a folder, never as a pickle; `native.load_native` reads it."""

    def params(self) -> Params:
        """Hyper-parameters and what fitting chose, for the run's log."""

    def feature_importance(self) -> dict[str, float]:
        """Each column's share of the model's decisions; sums to one, or all zero when none is used."""


class Estimator(Protocol):
    """A family with its hyper-parameters, ready to fit."""

    @property
    def family(self) -> str:
        """The family's name, as registered."""

    def fit(
        self, train: Dataset, early_stopping: Dataset, columns: Sequence[FeatureColumn], seed: int
    ) -> FittedModel:
        """Fit on `train`; `early_stopping` is later than it and chooses how long to fit.

        Raises:
            EmptyWindowError: no rows.
            SingleClassError: a binary label with one class only.
        """


def require_learnable(train: Dataset, binary: bool) -> None:
    """Refuse a window that nothing can be learned from.

    Raises:
        EmptyWindowError: no rows.
        EstimatorError: a label that is not a number.
        SingleClassError: a binary label with one class only.
    """
    if not len(train):
        raise EmptyWindowError("the fit window holds no rows; widen it or train at a later as_of")
    if not np.isfinite(train.label).all():
        raise EstimatorError("labels must be finite; leave rows without a label out of the training set")
    if binary and len(np.unique(train.label)) < 2:
        raise SingleClassError(
            f"every label in the fit window is {train.label[0]:g}; widen the window or check the label"
        )
