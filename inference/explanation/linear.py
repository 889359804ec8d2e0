"""Exact contributions of a linear model: coefficient x (value - mean), one-hot codes taken together.

For an additive model these are its Shapley values against the reference sample (Štrumbelj and Kononenko,
"Explaining prediction models and individual predictions with feature contributions", 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.explanation.contributions import Contributions
from training.bundle.contract import NATIVE_FOLDER
from training.estimators.native import load_native

if TYPE_CHECKING:
    from training.bundle.reader import Bundle
    from training.estimators.calibration import Calibration
    from training.estimators.linear import LinearCore
    from training.matrix import FeatureMatrix, Floats


@dataclass(frozen=True)
class LinearAttribution:
    """A linear core, and the mean of each feature's term over the reference sample, float64 (C + F,)."""

    core: LinearCore
    calibration: Calibration
    mean: Floats

    @classmethod
    def of(cls, bundle: Bundle, reference: FeatureMatrix) -> LinearAttribution:
        """Read the coefficients of a bundle; `reference` gives the means."""
        model = load_native(bundle.folder / NATIVE_FOLDER)
        core: LinearCore = model.core  # type: ignore[assignment]
        return cls(core, model.calibration, linear_terms(core, reference).mean(axis=0))

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Explain every row exactly."""
        values = (linear_terms(self.core, matrix) - self.mean) * self.calibration.slope
        start = self.core.intercept + float(self.mean.sum())
        base = self.calibration.slope * start + self.calibration.intercept
        return Contributions(base, values, np.zeros_like(values))


def linear_terms(core: LinearCore, matrix: FeatureMatrix) -> Floats:
    """What each feature adds to the raw score, (N, C + F): its scaled value's term and its missing flag's."""
    codes = core.vocabulary.encode(matrix.categorical)
    categories = [weights[codes[:, place]] for place, weights in enumerate(core.category_weights)]
    numbers = core.scaling.transform(matrix.numeric).astype(np.float64) * core.number_weights
    value, flag = np.split(numbers, 2, axis=1)
    return np.column_stack([*categories, value + flag]).astype(np.float64)
