"""Sampled Shapley values of any graph, with ONNX Runtime alone and a stated error.

Štrumbelj and Kononenko (2014) and Castro et al. ("Polynomial calculation of the Shapley value based on
sampling", 2009): features are exchanged one after the other, in random order, from a reference row's values
to the explained row's. Every order is also taken backwards, which lowers the error (Mitchell et al.,
"Sampling permutations for Shapley value estimation", 2022). Each reference row is used equally often, so that
the contributions add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from contracts.bundle.scorer import Scorer
from contracts.matrix import FeatureMatrix, Floats
from inference.explanation.contributions import Contributions

PAIRS = 64
SEED = 0


@dataclass(frozen=True)
class SampledAttribution:
    """A margin's scorer, the reference rows, and for each of them one order and its reverse (2, K, M)."""

    scorer: Scorer
    reference: FeatureMatrix
    orders: npt.NDArray[np.int64]

    @classmethod
    def of(cls, scorer: Scorer, sample: FeatureMatrix, pairs: int = PAIRS) -> SampledAttribution:
        """Draw at most `pairs` rows of the sample, and an order for each; always the same ones."""
        generator = np.random.default_rng(SEED)
        chosen = np.sort(generator.choice(len(sample), min(pairs, len(sample)), replace=False))
        width = sample.categorical.shape[1] + sample.numeric.shape[1]
        orders = generator.permuted(np.tile(np.arange(width), (len(chosen), 1)), axis=1)
        return cls(scorer, sample.rows(chosen), np.stack([orders, orders[:, ::-1]]))

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Explain every row; `error` is estimated from how far the pairs of orders disagree."""
        explained = [self._explain(matrix.rows(slice(row, row + 1))) for row in range(len(matrix))]
        width = self.orders.shape[2]
        by_pair = np.stack(explained) if explained else np.empty((0, len(self.reference), width))
        error = by_pair.std(axis=1, ddof=1) / np.sqrt(len(self.reference))
        return Contributions(float(self._start.mean()), by_pair.mean(axis=1), error)

    @cached_property
    def _start(self) -> Floats:
        """The margins of the reference rows (K,)."""
        return self.scorer.score_matrix(self.reference)

    @cached_property
    def _taken(self) -> npt.NDArray[np.bool_]:
        """Whether a feature has been exchanged after each step, (2, K, M steps, M features)."""
        rank = np.argsort(self.orders, axis=2)
        return rank[:, :, None, :] <= np.arange(self.orders.shape[2])[:, None]

    def _explain(self, row: FeatureMatrix) -> Floats:
        """The mean of each pair of orders, (K, M)."""
        margins = self.scorer.score_matrix(self._exchanged(row)).reshape(self.orders.shape)
        start = np.broadcast_to(self._start[None, :, None], (*self.orders.shape[:2], 1))
        steps = np.diff(np.concatenate([start, margins], axis=2), axis=2)
        by_feature = np.empty_like(steps)
        np.put_along_axis(by_feature, self.orders, steps, axis=2)
        return np.asarray(by_feature.mean(axis=0), dtype=np.float64)

    def _exchanged(self, row: FeatureMatrix) -> FeatureMatrix:
        width = row.categorical.shape[1]
        taken, reference = self._taken, self.reference
        categorical = np.where(taken[..., :width], row.categorical, reference.categorical[:, None, :])
        numeric = np.where(taken[..., width:], row.numeric, reference.numeric[:, None, :])
        return FeatureMatrix(
            categorical.reshape(-1, width), numeric.reshape(-1, numeric.shape[-1]).astype(np.float32)
        )
