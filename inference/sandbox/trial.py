"""Does what a service does with a version, with rows as a caller may send them."""

from contextlib import suppress

import numpy as np

from contracts.bundle.contract import Contract
from contracts.bundle.reader import read_bundle
from contracts.bundle.runtime import open_scorer
from contracts.matrix import FeatureMatrix
from inference.errors import ExplanationUnavailableError
from inference.explanation.attribution import attribution_of
from inference.sandbox.messages import TrialRequest


def try_bundle(request: TrialRequest) -> None:
    """Open the bundle, score one row, then all, and explain one. A GPU is left to those that serve.

    Raises:
        Exception: whatever is wrong with it, except that it cannot be explained.
    """
    bundle = read_bundle(request.folder, request.digest)
    rows = worst_rows(bundle.contract, request.rows, request.text)
    first = rows.rows(slice(0, 1))
    scorer = open_scorer(bundle, 1, "cpu", request.network_runtime)
    for matrix in (first, rows):
        scorer.score_matrix(matrix)
    with suppress(ExplanationUnavailableError):
        attribution_of(bundle).contributions(first)


def worst_rows(contract: Contract, rows: int, text: int) -> FeatureMatrix:
    """Rows of which each category is an unknown text of this length and each number is missing."""
    categorical = np.full((rows, len(contract.categorical)), "x" * text, dtype=object)
    return FeatureMatrix(categorical, np.full((rows, len(contract.numeric)), np.nan, dtype=np.float32))
