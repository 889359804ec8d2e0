"""One input of a model: its name, and whether it is text or a number."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FeatureKind = Literal["categorical", "numeric"]


class FeatureColumn(BaseModel):
    """One model input. Categorical values are text or missing, numeric ones are float64 or missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: FeatureKind
