"""Features by name, looked up or given, become rows in a model's own order, and rows its two arrays."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from contracts.matrix import MISSING_CATEGORY, Categories, FeatureMatrix
from features.schema.feature_column import FeatureColumn
from inference.core.packed_numbers import packer, unpack_numbers
from inference.prediction_log.schema import MISSING, PRESENT
from inference.validation.given_features import FeatureValue, GivenFeatures

if TYPE_CHECKING:
    from features.online.reader import ServedFeatures


class FeatureRow(msgspec.Struct, frozen=True, gc=False):
    """One request's features as they are logged, in the order of the model's columns.

    `texts` are the categorical ones, `numbers` the numeric ones as `packed_numbers` has them. No statuses:
    all are present. No ages: none is known.
    """

    texts: tuple[str | None, ...]
    numbers: bytes
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
        self._pack = packer(self._widths[1])
        self._given = GivenFeatures(self.columns)

    def served(self, features: "ServedFeatures") -> FeatureRow:
        """The row of features that were looked up."""
        pick = self._by_name
        texts, numbers = self._divided(pick(features.values))
        return FeatureRow(texts, numbers, pick(features.status), pick(features.age_seconds))

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
        texts, numbers = self._divided(values)
        if None not in values:
            return FeatureRow(texts, numbers, (), ())
        statuses = tuple([MISSING if value is None else PRESENT for value in values])
        return FeatureRow(texts, numbers, statuses, ())

    def _divided(self, values: tuple[FeatureValue, ...]) -> tuple[tuple[str | None, ...], bytes]:
        return self._categorical(values), self._pack(self._numeric(values))

    def matrix(self, rows: Sequence[FeatureRow]) -> FeatureMatrix:
        """The same arrays as `contracts.matrix.to_matrix` gives for a frame of these values."""
        numbers = unpack_numbers([row.numbers for row in rows], self._widths[1])
        with np.errstate(over="ignore"):
            return FeatureMatrix(self._categories(rows), numbers.astype(np.float32))

    def _categories(self, rows: Sequence[FeatureRow]) -> Categories:
        categorical = np.empty((len(rows), self._widths[0]), dtype=object)
        if rows and self._widths[0]:
            categorical[:] = [
                [MISSING_CATEGORY if text is None else text for text in row.texts] for row in rows
            ]
        return categorical


_KINDS: Final = ("categorical", "numeric")


def _getter(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Like `itemgetter`, but always of a tuple, however few the keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda row: tuple(row[key] for key in keys)
