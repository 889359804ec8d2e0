"""A model's inputs as a feature service lists them: names, order, and whether text or number."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from feast import FeatureStore

FeatureKind = Literal["categorical", "numeric"]


class FeatureColumn(BaseModel):
    """One model input. Categorical values are text or missing, numeric ones are float64 or missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: FeatureKind


def feature_columns(store: "FeatureStore", service: str) -> tuple[FeatureColumn, ...]:
    """Return the service's features in the order in which it lists them: the model's input order.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedFeatureError: a feature is neither text, number nor boolean.
    """
    from features.service_plan import plan_service  # imports Feast, which takes seconds

    return plan_service(store, service).columns
