"""The two ways to ask: by the model's features, or by the problem's fields, whose features are looked up."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from contracts.problem import RequestField
from features.schema.feature_column import FeatureColumn
from inference.errors import InvalidRequestError
from inference.validation.limits import PREDICTION_TIME, REQUEST_ID

SignatureName = Literal["features", "fields"]
GIVEN: Final = "features"
LOOKED_UP: Final = "fields"
SHOWN: Final = 10


@dataclass(frozen=True)
class Signatures:
    """What a request may be made of, at one moment of the service.

    All features: they are what is scored, and fields may come with them, for the log alone. Else the fields.
    """

    columns: tuple[FeatureColumn, ...]
    fields: tuple[RequestField, ...]
    replay: bool

    @property
    def optional(self) -> tuple[str, ...]:
        """The columns that any request may carry besides."""
        return (REQUEST_ID, PREDICTION_TIME) if self.replay else (REQUEST_ID,)

    def names(self, signature: SignatureName) -> tuple[str, ...]:
        """The columns that one way to ask is named after."""
        return self._names[signature]

    @cached_property
    def _names(self) -> dict[SignatureName, tuple[str, ...]]:
        return {
            GIVEN: tuple(column.name for column in self.columns),
            LOOKED_UP: tuple(field.name for field in self.fields),
        }

    @cached_property
    def known(self) -> Mapping[str, None]:
        """Every name that a request may use."""
        return dict.fromkeys((*self.names(GIVEN), *self.names(LOOKED_UP), *self.optional))

    def types(self, signature: SignatureName) -> dict[str, str]:
        """The type of each column that one way to ask may have; features are number or string."""
        kinds = {"numeric": "number", "categorical": "string"}
        declared: dict[str, str] = {field.name: field.dtype for field in self.fields}
        if signature == GIVEN:
            declared |= {column.name: kinds[column.kind] for column in self.columns}
        return declared | dict.fromkeys(self.optional, "string")

    def choose(self, names: Collection[str], wanted: str | None = None) -> SignatureName:
        """The way in which a request with these columns asks; `wanted` is what it says itself.

        Raises:
            InvalidRequestError: it is neither; the message says what lacks and what is too much.
        """
        if wanted not in (None, GIVEN, LOOKED_UP):
            raise InvalidRequestError(f"{wanted!r} is no signature here; send {GIVEN!r} or {LOOKED_UP!r}")
        offered: tuple[SignatureName, ...] = (GIVEN, LOOKED_UP)
        candidates = [name for name in offered if wanted in (None, name)]
        for signature in candidates:
            if not self._lacking(signature, names) and not self._strange(signature, names):
                return signature
        nearest = max(candidates, key=lambda name: len(set(names) & set(self.names(name))))
        raise self._refusal(nearest, names)

    def _lacking(self, signature: SignatureName, names: Collection[str]) -> list[str]:
        if signature == GIVEN:
            required = self.names(GIVEN)
        else:
            required = tuple(field.name for field in self.fields if not field.nullable)
        return [name for name in required if name not in names]

    def _strange(self, signature: SignatureName, names: Collection[str]) -> list[str]:
        allowed = self.types(signature)
        return [name for name in names if name not in allowed]

    def _refusal(self, signature: SignatureName, names: Collection[str]) -> InvalidRequestError:
        lacking, strange = self._lacking(signature, names), self._strange(signature, names)
        found = [f"lacks {lacking}"] if lacking else []
        found += [f"has {[name[:64] for name in strange[:SHOWN]]} too much"] if strange else []
        return InvalidRequestError(
            f"the request is nearest to the {signature} of this model, but {' and '.join(found)}; send "
            f"either all features ({', '.join(self.names(GIVEN))}; null or NaN where one is missing), or the "
            f"request's fields ({', '.join(self.names(LOOKED_UP))}), whose features are looked up"
        )
