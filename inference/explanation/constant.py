"""A model that looks at no feature: everything is its base value."""

from dataclasses import dataclass

import numpy as np

from contracts.bundle.scorer import Scorer
from contracts.matrix import FeatureMatrix
from inference.explanation.contributions import Contributions


@dataclass(frozen=True)
class ConstantAttribution:
    """The margin's scorer and the number of features, none of which counts."""

    scorer: Scorer
    width: int

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Nothing but the base value."""
        nothing = np.zeros((len(matrix), self.width))
        base = self.scorer.score_matrix(matrix.rows(slice(0, 1)))
        return Contributions(float(base[0]) if len(base) else 0.0, nothing, nothing)
