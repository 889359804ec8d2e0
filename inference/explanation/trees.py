"""Exact Shapley values of a tree ensemble, from its own file, with NumPy alone.

Path-dependent TreeSHAP (Lundberg et al., "From local explanations to global understanding with explainable
AI for trees", 2020), as XGBoost's `pred_contribs` computes it. Along one path the value of a coalition is a
product over the path's features, so a Shapley value is an integral over Owen's multilinear extension
("Multilinear extensions of games", 1972): of a polynomial, which Gauss-Legendre quadrature integrates exactly
(see Yu et al., "Linear TreeSHAP", 2022).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from contracts.bundle.contract import NATIVE_FILE, NATIVE_FOLDER
from contracts.encoders.calibration import Calibration
from contracts.encoders.numeric_scaling import finite
from contracts.encoders.vocabulary import Vocabulary
from inference.explanation.contributions import Contributions
from inference.explanation.tree_file import parse_trees
from inference.explanation.tree_paths import TreePaths

if TYPE_CHECKING:
    from contracts.bundle.reader import Bundle
    from contracts.matrix import FeatureMatrix, Floats, Numbers

TREES_FILE = "trees.json"
# As many as stay in a processor's cache: more at once is slower.
CELLS_AT_ONCE = 100_000


@dataclass(frozen=True)
class TreeAttribution:
    """Trees with their encoder, their base score and the calibration of their sum."""

    paths: TreePaths
    vocabulary: Vocabulary
    start: float
    width: int
    calibration: Calibration

    @classmethod
    def of(cls, bundle: Bundle) -> TreeAttribution:
        """Read the trees of a bundle; no training library is needed.

        Raises:
            BundleSchemaError: the trees cannot be parsed.
        """
        return cls.parse(*(bundle.read(f"{NATIVE_FOLDER}/{name}") for name in (NATIVE_FILE, TREES_FILE)))

    @classmethod
    def parse(cls, model: bytes, trees: bytes) -> TreeAttribution:
        """Read the two files that `save_native` wrote."""
        content = json.loads(model)
        core = content["core"]
        return cls(
            TreePaths.of(parse_trees(trees, core["width"])),
            Vocabulary(tuple(tuple(known) for known in core["known"])),
            core["base"],
            core["width"],
            Calibration(**content["calibration"]),
        )

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Explain every row exactly."""
        codes = self.vocabulary.encode(matrix.categorical).astype(np.float32)
        inputs = np.concatenate([codes, finite(matrix.numeric)], axis=1)
        step = max(1, CELLS_AT_ONCE // max(self.paths.feature.size, 1))
        chunks = [self._explain(inputs[first : first + step]) for first in range(0, len(inputs), step)]
        values = np.concatenate([np.empty((0, self.width)), *chunks]) * self.calibration.slope
        return Contributions(self._base, values, np.zeros_like(values))

    @cached_property
    def _base(self) -> float:
        """The calibrated prediction for a row of which nothing is known."""
        expected = self.start + float(self.paths.leaf @ self.paths.share.prod(axis=1))
        return self.calibration.slope * expected + self.calibration.intercept

    def _explain(self, inputs: Numbers) -> Floats:
        paths, asked = self.paths, inputs[:, self.paths.feature]
        holds = ((asked >= paths.low) & (asked < paths.high)) | (np.isnan(asked) & paths.missing)
        change = holds - paths.share
        total = np.zeros_like(change)
        for place, weight in zip(*self._quadrature, strict=True):
            factors = paths.share + change * place
            total += factors.prod(axis=2, keepdims=True) * weight / factors
        total *= change * paths.leaf[:, None]
        return np.stack([self._by_feature(row) for row in total])

    def _by_feature(self, values: Floats) -> Floats:
        summed = np.bincount(self.paths.feature.ravel(), weights=values.ravel(), minlength=self.width)
        return summed.astype(np.float64)

    @cached_property
    def _quadrature(self) -> tuple[Floats, Floats]:
        """Places and weights on [0, 1]: n integrate degree 2n - 1, here one less than a path is long."""
        places, weights = np.polynomial.legendre.leggauss((self.paths.feature.shape[1] + 1) // 2)
        return (places + 1) / 2, weights / 2
