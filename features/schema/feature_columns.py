"""The columns of a feature service, by its name."""

from typing import TYPE_CHECKING

from features.schema import FeatureColumn

if TYPE_CHECKING:
    from feast import FeatureStore


def feature_columns(store: "FeatureStore", service: str) -> tuple[FeatureColumn, ...]:
    """Return the service's features in the order in which it lists them: the model's input order.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedFeatureError: a feature is neither text, number nor boolean.
    """
    from features.service_plan import plan_service  # imports Feast, which takes seconds

    return plan_service(store, service).columns
