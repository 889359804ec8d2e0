"""Features that a caller gives, checked against the model's contract: exactly its names, each in its type."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from contracts.matrix import MISSING_CATEGORY
from features.schema.feature_column import FeatureColumn, FeatureKind
from inference.documents import ErrorItem
from inference.validation.limits import FEATURES, LISTED_ERRORS, LONGEST_TEXT

FeatureValue = str | float | None

LARGEST: Final = float(np.finfo(np.float32).max)
VALUE_TYPES: Final[dict[FeatureKind, Any]] = {
    "categorical": Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] | None,
    "numeric": Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)] | None,
}
EXPECTED: Final[dict[FeatureKind, str]] = {
    "categorical": f"a text of at most {LONGEST_TEXT} characters, or null where it is missing",
    "numeric": f"a number between -{LARGEST:.7g} and {LARGEST:.7g}, or null where it is missing",
}


class GivenFeaturesError(Exception):
    """The features of one instance are not what the model reads; `found` names each as an item does."""

    def __init__(self, found: Sequence[tuple[str, str, str]]) -> None:
        super().__init__("; ".join(message for _, _, message in found))
        self._found = found

    def items(self, index: int) -> list[ErrorItem]:
        """What is wrong, as the errors of the instance at `index`."""
        return [
            ErrorItem(index=index, field=f"{FEATURES}.{name}", code=code, message=message)
            for name, code, message in self._found
        ]


class GivenFeatures:
    """Reads one model's features out of a mapping, in the order of its columns.

    `row_type` is a struct of them, for a decoder that meets them in a longer document.
    """

    def __init__(self, columns: Sequence[FeatureColumn]) -> None:
        self._kinds = {column.name: column.kind for column in columns}
        self._categories = [place for place, column in enumerate(columns) if column.kind == "categorical"]
        names = {f"column_{place}": column.name for place, column in enumerate(columns)}
        self.row_type: Any = msgspec.defstruct(
            "GivenRow",
            [(field, VALUE_TYPES[self._kinds[name]]) for field, name in names.items()],
            rename=names,
            forbid_unknown_fields=True,
            gc=False,
        )

    def read(self, features: Mapping[str, FeatureValue]) -> tuple[FeatureValue, ...]:
        """The values in order, an empty text as `None`.

        Raises:
            GivenFeaturesError: a name is unknown or missing, or a value has another type.
        """
        try:
            row = msgspec.convert(features, self.row_type)
        except msgspec.ValidationError as error:
            raise GivenFeaturesError(list(islice(self._explain(features), LISTED_ERRORS))) from error
        return self.values_of(row)

    def values_of(self, row: Any) -> tuple[FeatureValue, ...]:
        """The values of a `row_type`, an empty text as `None`."""
        values: tuple[FeatureValue, ...] = msgspec.structs.astuple(row)
        empty = [place for place in self._categories if values[place] == MISSING_CATEGORY]
        if empty:
            return tuple([None if place in empty else value for place, value in enumerate(values)])
        return values

    def _explain(self, features: Mapping[str, FeatureValue]) -> Iterator[tuple[str, str, str]]:
        for name in features:
            if name not in self._kinds:
                yield (
                    name,
                    "unknown_field",
                    f"{name!r} is no feature of this model; /v1/model lists them",
                )
        for name, kind in self._kinds.items():
            if name not in features:
                yield name, "missing_field", f"{name!r} is missing; send it, null where it is not known"
                continue
            try:
                msgspec.convert(features[name], VALUE_TYPES[kind])
            except msgspec.ValidationError:
                code = _code(features[name], kind)
                yield name, code, f"{name!r} must be {EXPECTED[kind]}"


def _code(value: object, kind: FeatureKind) -> str:
    right = isinstance(value, str) if kind == "categorical" else type(value) in (int, float)
    return "out_of_range" if right else "wrong_type"
