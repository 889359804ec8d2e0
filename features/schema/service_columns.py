"""A model's inputs, as the feature service of that name lists them."""

from typing import TYPE_CHECKING

from features.schema.feature_column import FeatureColumn

if TYPE_CHECKING:
    from feast import FeatureStore


def feature_columns(store: "FeatureStore", service: str) -> tuple[FeatureColumn, ...]:
    """Return the service's features in the order in which it lists them: the model's input order.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedFeatureError: a feature is neither text, number nor boolean.
    """
    from features.schema.service_plan import plan_service  # imports Feast, which takes seconds

    return plan_service(store, service).columns
