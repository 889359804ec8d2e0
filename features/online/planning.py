"""Makes serving plans of what Feast's registry declares."""

import logging
from typing import Any

from feast import FeatureStore, OnDemandFeatureView
from feast.errors import FeastError

from features.errors import FeatureError, RepositoryError
from features.online.plan_file import PlanOrigin, write_plan
from features.online.serving_plan import ComputedView, ServingPlan, StoredView
from features.online.store import online_store_of, table_name
from features.schema.on_demand import on_demand_function
from features.schema.on_demand_columns import OnDemandFunction
from features.schema.on_demand_source import compile_function
from features.schema.service_plan import OnDemandPlan, ServicePlan, ViewPlan, plan_service
from features.settings import FeatureSettings

logger = logging.getLogger(__name__)


def write_plans(settings: FeatureSettings, store: FeatureStore) -> None:
    """Put the plan of every service on file: called whenever the registry has changed.

    A service that cannot be served has none; serving it says why.
    """
    origin = PlanOrigin.of(settings)
    for service in store.list_feature_services():
        try:
            plan = plan_serving(store, plan_service(store, str(service.name)))
        except (FeatureError, FeastError) as error:
            logger.info("%s has no serving plan: %s", service.name, error)
        else:
            write_plan(settings, str(service.name), plan, origin)


def plan_serving(store: FeatureStore, service: ServicePlan) -> ServingPlan:
    """Return the plan of a service of an open repository.

    Raises:
        UnsupportedFeatureError: an on-demand view that cannot be computed for one row like for many.
        UnsupportedRetrievalError: the repository has another online store than this room's.
    """
    online_store_of(store)
    functions = on_demand_functions(service)
    return ServingPlan(
        columns=service.columns,
        types=dict(service.types),
        stored=tuple(_stored(store, view) for view in service.views),
        computed=tuple(_computed(view, functions[view.view.name]) for view in service.on_demand),
    )


def on_demand_functions(service: ServicePlan) -> dict[str, OnDemandFunction]:
    """Return the function of each on-demand view as Feast runs it.

    Raises:
        UnsupportedFeatureError: a singleton view.
    """
    return {str(view.view.name): _function(view, service) for view in service.on_demand}


def _function(view: OnDemandPlan, service: ServicePlan) -> OnDemandFunction:
    stored = {plan.used_name: plan.features for plan in service.views}
    types = dict(view.request_fields)
    types |= {name: stored[source][feature] for name, (source, feature) in view.inputs.items()}
    return on_demand_function(view.view, types)


def _stored(store: FeatureStore, view: ViewPlan) -> StoredView:
    return StoredView(
        name=view.used_name,
        table=table_name(store.config, view.view),
        keys=dict(view.keys),
        key_types=view.key_types,
        features=dict(view.features),
        ttl=view.ttl,
        defaults=dict(view.defaults),
    )


def _computed(view: OnDemandPlan, function: OnDemandFunction) -> ComputedView:
    return ComputedView(
        name=view.view.name,
        request_fields=dict(view.request_fields),
        inputs=dict(view.inputs),
        declared=tuple(field.name for field in view.view.features),
        features=view.features,
        source=_source(view.view, function),
    )


def _source(view: OnDemandFeatureView, function: Any) -> str | None:
    """The function's text, if compiling that gives what Feast runs."""
    transformation: Any = view.feature_transformation
    text = str(transformation.udf_string or "")
    if view.mode != "python":
        return None
    try:
        same = compile_function(text).__code__.co_code == function.__code__.co_code
    except RepositoryError:
        return None
    return text if same else None
