"""Features by name, looked up or given, become rows in a model's own order, and rows its two arrays."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from features.schema import FeatureColumn
from inference.hot_path.given_features import FeatureValue, GivenFeatures
from inference.prediction_log.schema import MISSING, PRESENT
from training.matrix import MISSING_CATEGORY, Categories, FeatureMatrix

if TYPE_CHECKING:
    from features.online.reader import ServedFeatures


class FeatureRow(msgspec.Struct, frozen=True, gc=False):
    """One request's features as they are logged: each tuple in the order of the model's columns.

    No statuses: all are present. No ages: none is known.
    """

    values: tuple[FeatureValue, ...]
    statuses: tuple[str, ...]
    ages: tuple[float | None, ...]


class ModelInputs:
    """Makes the rows and the arrays of one model, whose columns it knows by heart."""

    def __init__(self, columns: Sequence[FeatureColumn]) -> None:
        self.columns = tuple(columns)
        places = {kind: [i for i, column in enumerate(columns) if column.kind == kind] for kind in _KINDS}
        self._by_name = _getter([column.name for column in columns])
        self._categorical, self._numeric = (_getter(places[kind]) for kind in _KINDS)
        self._widths = tuple(len(places[kind]) for kind in _KINDS)
        self._given = GivenFeatures(self.columns)

    def served(self, features: "ServedFeatures") -> FeatureRow:
        """The row of features that were looked up."""
        pick = self._by_name
        return FeatureRow(pick(features.values), pick(features.status), pick(features.age_seconds))

    def given(self, features: Mapping[str, FeatureValue]) -> FeatureRow:
        """The row of features that a caller gave; `None` and an empty text count as missing.

        Raises:
            GivenFeaturesError: they are not exactly the model's, each in its type.
        """
        return self._given_row(self._given.read(features))

    @property
    def row_type(self) -> Any:
        """What a decoder reads given features into, for `decoded`."""
        return self._given.row_type

    def decoded(self, row: Any) -> FeatureRow:
        """The row of features that a decoder read into a `row_type`."""
        return self._given_row(self._given.values_of(row))

    def _given_row(self, values: tuple[FeatureValue, ...]) -> FeatureRow:
        if None not in values:
            return FeatureRow(values, (), ())
        return FeatureRow(values, tuple([MISSING if value is None else PRESENT for value in values]), ())

    def matrix(self, rows: Sequence[FeatureRow]) -> FeatureMatrix:
        """The same arrays as `training.matrix.to_matrix` gives for a frame of these values."""
        values = [row.values for row in rows]
        if not values or not self._widths[1]:
            return FeatureMatrix(self._categories(values), np.empty((len(rows), self._widths[1]), np.float32))
        with np.errstate(over="ignore"):
            numeric = np.array(list(map(self._numeric, values)), dtype=np.float32)  # None becomes NaN
        return FeatureMatrix(self._categories(values), numeric)

    def _categories(self, values: Sequence[tuple[FeatureValue, ...]]) -> Categories:
        categorical = np.empty((len(values), self._widths[0]), dtype=object)
        if values and self._widths[0]:
            categorical[:] = [
                [MISSING_CATEGORY if value is None else value for value in row]
                for row in map(self._categorical, values)
            ]
        return categorical


_KINDS: Final = ("categorical", "numeric")


def _getter(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Like `itemgetter`, but always of a tuple, however few the keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: tuple(row[key] for key in keys)
