"""What every method of explanation gives: a base value and each feature's share of the rest."""

from dataclasses import dataclass
from typing import Protocol

from contracts.matrix import FeatureMatrix, Floats


@dataclass(frozen=True)
class Contributions:
    """`base + values.sum(axis=1)` is the prediction: its log odds if binary, else its value.

    `values` and `error` are float64 (N, C + F), categories first. `error` is each value's standard error:
    zero where the method is exact.
    """

    base: float
    values: Floats
    error: Floats


class Attribution(Protocol):
    """One method on one model version. Safe to call from several threads."""

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Explain every row."""
