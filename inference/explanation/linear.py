"""Exact contributions of a linear model: coefficient x (value - mean), one-hot codes taken together.

For an additive model these are its Shapley values against the reference sample (Štrumbelj and Kononenko,
"Explaining prediction models and individual predictions with feature contributions", 2014).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle.contract import NATIVE_FILE, NATIVE_FOLDER
from contracts.encoders.calibration import Calibration
from contracts.encoders.numeric_scaling import NumericScaling
from contracts.encoders.vocabulary import Vocabulary
from inference.explanation.contributions import Contributions

if TYPE_CHECKING:
    from contracts.bundle.reader import Bundle
    from contracts.matrix import FeatureMatrix, Floats


@dataclass(frozen=True)
class LinearTerms:
    """Encoders, a weight for each category's code, and the weights of scaled numbers and flags (2F,)."""

    vocabulary: Vocabulary
    scaling: NumericScaling
    categories: tuple[Floats, ...]
    numbers: Floats

    def of(self, matrix: FeatureMatrix) -> Floats:
        """What each feature adds to the raw score, (N, C + F): its value's term and its missing flag's."""
        codes = self.vocabulary.encode(matrix.categorical)
        categories = [weights[codes[:, place]] for place, weights in enumerate(self.categories)]
        numbers = self.scaling.transform(matrix.numeric).astype(np.float64) * self.numbers
        value, flag = np.split(numbers, 2, axis=1)
        return np.column_stack([*categories, value + flag]).astype(np.float64)


@dataclass(frozen=True)
class LinearAttribution:
    """The terms, the intercept, and the mean of each term over the reference sample, float64 (C + F,)."""

    terms: LinearTerms
    intercept: float
    calibration: Calibration
    mean: Floats

    @classmethod
    def of(cls, bundle: Bundle, reference: FeatureMatrix) -> LinearAttribution:
        """Read the coefficients of a bundle; `reference` gives the means."""
        content = json.loads(bundle.read(f"{NATIVE_FOLDER}/{NATIVE_FILE}"))
        core = content["core"]
        terms = LinearTerms(
            Vocabulary(tuple(tuple(known) for known in core["known"])),
            NumericScaling.from_lists(core["scaling"]),
            tuple(np.asarray(weights, np.float64) for weights in core["category_weights"]),
            np.asarray(core["number_weights"], np.float64),
        )
        calibration = Calibration(**content["calibration"])
        return cls(terms, core["intercept"], calibration, terms.of(reference).mean(axis=0))

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Explain every row exactly."""
        values = (self.terms.of(matrix) - self.mean) * self.calibration.slope
        start = self.intercept + float(self.mean.sum())
        base = self.calibration.slope * start + self.calibration.intercept
        return Contributions(base, values, np.zeros_like(values))
