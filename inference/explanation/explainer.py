"""The explainer of one model version: each row's strongest reasons."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contracts.bundle.reader import Bundle
from contracts.matrix import MISSING_CATEGORY, FeatureMatrix, Floats
from contracts.problem import Problem
from inference.core.answer import Reason
from inference.explanation.attribution import attribution_of
from inference.explanation.contributions import Attribution, Contributions
from inference.explanation.wording import base_reason, describe_features, other_reason, reason_for

TOP_REASONS = 5


@dataclass(frozen=True)
class Explainer:
    """Explains rows of one version's matrix. Takes milliseconds a row: call it off the event loop."""

    attribution: Attribution
    names: tuple[str, ...]
    descriptions: Mapping[str, str]
    problem: Problem

    def contributions(self, matrix: FeatureMatrix) -> Contributions:
        """Every feature's contribution, in the order of `names`."""
        return self.attribution.contributions(matrix)

    def explain(self, matrix: FeatureMatrix, top: int = TOP_REASONS) -> list[tuple[Reason, ...]]:
        """For each row the base value, the `top` strongest features and the rest in one.

        The contributions of a row's reasons add up to its prediction: to its log odds if the task is binary.
        A feature that changes nothing is left out.
        """
        found = self.contributions(matrix)
        return [self._reasons(matrix, row, found.base, found.values[row], top) for row in range(len(matrix))]

    def _reasons(
        self, matrix: FeatureMatrix, row: int, base: float, values: Floats, top: int
    ) -> tuple[Reason, ...]:
        strongest = [
            int(place) for place in np.argsort(-np.abs(values), kind="stable")[:top] if values[place]
        ]
        named = [
            reason_for(self.descriptions, self.names[place], _cell(matrix, row, place), float(values[place]))
            for place in strongest
        ]
        rest = float(np.delete(values, strongest).sum())
        return (base_reason(base, self.problem), *named, *([other_reason(rest)] if rest else []))


def explainer_of(bundle: Bundle, problem: Problem) -> Explainer:
    """Load what explains a version; takes up to a second: once for each version, when it is first asked for.

    Raises:
        ExplanationUnavailableError: nothing in the bundle lets it be explained.
        BundleSchemaError: the native model cannot be parsed.
    """
    names = (*bundle.contract.categorical, *bundle.contract.numeric)
    return Explainer(attribution_of(bundle), names, describe_features(problem), problem)


def _cell(matrix: FeatureMatrix, row: int, place: int) -> str | float | None:
    width = matrix.categorical.shape[1]
    if place < width:
        text = matrix.categorical[row, place]
        return None if text == MISSING_CATEGORY else str(text)
    number = matrix.numeric[row, place - width]
    return None if np.isnan(number) else float(str(number))
