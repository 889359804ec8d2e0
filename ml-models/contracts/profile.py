"""The reference profile: the distributions, at training time, that drift is measured against later."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

NUMERIC_BINS = 10
TOP_CATEGORIES = 20

Values = npt.NDArray[np.generic]


class ProfilePart(BaseModel):
    """Base of the profile's parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NumericProfile(ProfilePart):
    """Shares of the values per bin, plus the share of missing ones; together they sum to 1.

    Bin `i` is `edges[i-1] < value <= edges[i]`, open at both ends: one share more than edges. Edges are
    deciles without repetition.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float

    def shares_of(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the shares of new values (N,) in the same bins, then the missing share: (bins + 1,)."""
        return np.append(*_binned(np.asarray(values, dtype=np.float64), self.edges))


class CategoricalProfile(ProfilePart):
    """Shares of the most frequent categories, of all others, and of missing values; they sum to 1."""

    shares: dict[str, float]
    other: float
    missing: float

    def shares_of(self, values: Sequence[str | None] | Values) -> npt.NDArray[np.float64]:
        """Return the shares of new values (N,): top categories, other, missing: (categories + 2,)."""
        counts, missing = _counted(values)
        total = max(sum(counts.values()) + missing, 1)
        top = [counts.get(name, 0) for name in self.shares]
        other = sum(counts.values()) - sum(top)
        return np.array([*top, other, missing], dtype=np.float64) / total

    @property
    def reference(self) -> npt.NDArray[np.float64]:
        """The reference shares in the order of `shares_of`."""
        return np.array([*self.shares.values(), self.other, self.missing], dtype=np.float64)


class ReferenceProfile(ProfilePart):
    """Profiles of every feature and of the prediction, from `rows` examples."""

    rows: int
    numeric: dict[str, NumericProfile]
    categorical: dict[str, CategoricalProfile]
    prediction: NumericProfile


def build_profile(
    numeric: Mapping[str, npt.NDArray[np.floating]],
    categorical: Mapping[str, Values],
    prediction: npt.NDArray[np.floating],
) -> ReferenceProfile:
    """Describe the features and the prediction of the same N examples; missing is NaN, None or ""."""
    return ReferenceProfile(
        rows=len(prediction),
        numeric={name: profile_numbers(values) for name, values in numeric.items()},
        categorical={name: profile_categories(values) for name, values in categorical.items()},
        prediction=profile_numbers(prediction),
    )


def profile_numbers(values: npt.NDArray[np.floating]) -> NumericProfile:
    """Describe numbers (N,) by their deciles; NaN is missing."""
    numbers = np.asarray(values, dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    quantiles = np.linspace(0, 1, NUMERIC_BINS + 1)[1:-1]
    edges = tuple(np.unique(np.quantile(present, quantiles)).tolist()) if present.size else ()
    shares, missing = _binned(numbers, edges)
    return NumericProfile(edges=edges, shares=tuple(shares.tolist()), missing=missing)


def profile_categories(values: Sequence[str | None] | Values) -> CategoricalProfile:
    """Describe categories (N,) by the most frequent ones; ties go by name."""
    counts, missing = _counted(values)
    total = max(sum(counts.values()) + missing, 1)
    top = sorted(counts, key=lambda name: (-counts[name], name))[:TOP_CATEGORIES]
    other = sum(count for name, count in counts.items() if name not in set(top))
    return CategoricalProfile(
        shares={name: counts[name] / total for name in top}, other=other / total, missing=missing / total
    )


def _binned(
    values: npt.NDArray[np.float64], edges: tuple[float, ...]
) -> tuple[npt.NDArray[np.float64], float]:
    missing = np.isnan(values)
    bins = np.searchsorted(np.asarray(edges), values[~missing], side="left")
    total = max(values.size, 1)
    return np.bincount(bins, minlength=len(edges) + 1) / total, float(missing.sum() / total)


def _counted(values: Sequence[str | None] | Values) -> tuple[dict[str, int], int]:
    present = [str(value) for value in values if value is not None and value == value and value != ""]
    names, counts = np.unique(np.array(present, dtype=np.str_), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True)), len(values) - len(present)
