"""How far a distribution moved: the population stability index over deciles or top categories."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.profile import ReferenceProfile, profile_categories, profile_numbers
from features.schema.feature_column import FeatureColumn, FeatureKind

SMALLEST_SHARE: Final = 1e-4


def population_stability_index(reference: npt.NDArray[np.float64], current: npt.NDArray[np.float64]) -> float:
    """Sum of (current - reference) * ln(current / reference) over shares of the same bins.

    Empty bins count as `SMALLEST_SHARE`. By convention below 0.1 is stable and above 0.2 has moved (Siddiqi,
    Credit Risk Scorecards, 2006).
    """
    expected, found = (np.maximum(shares, SMALLEST_SHARE) for shares in (reference, current))
    return float(np.sum((found - expected) * np.log(found / expected)))


def column_psi(reference: pd.Series, current: pd.Series, kind: FeatureKind) -> float:
    """The index of one column between two samples; bins are the reference's, missing values left out."""
    if kind == "numeric":
        numbers = profile_numbers(_present_numbers(reference))
        found = numbers.shares_of(_present_numbers(current))[:-1]
        return population_stability_index(np.asarray(numbers.shares), found)
    categories = profile_categories(_present_text(reference))
    return population_stability_index(
        categories.reference[:-1], categories.shares_of(_present_text(current))[:-1]
    )


def comparable_columns(
    columns: Sequence[FeatureColumn], reference: pd.DataFrame, current: pd.DataFrame, ignored: Sequence[str]
) -> tuple[FeatureColumn, ...]:
    """The columns that have values on both sides and are not ignored."""
    return tuple(
        column
        for column in columns
        if column.name not in ignored
        and bool(reference[column.name].notna().any())
        and bool(current[column.name].notna().any())
    )


def rank_by_drift(
    columns: Sequence[FeatureColumn], reference: pd.DataFrame, current: pd.DataFrame
) -> dict[str, float]:
    """The index of every column, largest first."""
    indices = {
        column.name: column_psi(reference[column.name], current[column.name], column.kind)
        for column in columns
    }
    return dict(sorted(indices.items(), key=lambda item: -item[1]))


def missing_share_rise(
    columns: Sequence[FeatureColumn], profile: ReferenceProfile, current: pd.DataFrame
) -> dict[str, float]:
    """How much more often than in the reference each feature is missing (stale counts), largest first.

    Shares are between 0 and 1; `current` has the features as columns, missing as NaN or None.
    """
    rises = {
        column.name: float(current[column.name].isna().mean()) - _reference_missing(profile, column)
        for column in columns
    }
    return dict(sorted(rises.items(), key=lambda item: -item[1]))


def _reference_missing(profile: ReferenceProfile, column: FeatureColumn) -> float:
    if column.kind == "numeric":
        return profile.numeric[column.name].missing
    return profile.categorical[column.name].missing


def _present_numbers(values: pd.Series) -> npt.NDArray[np.float64]:
    return values.dropna().to_numpy(dtype=np.float64)


def _present_text(values: pd.Series) -> list[str]:
    return values.dropna().astype(str).tolist()
