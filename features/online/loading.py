"""Opens a feature service for serving: from its plan on file, else through Feast, which takes seconds."""

from dataclasses import dataclass

from features.online.plan_file import PlanOrigin, read_plan, write_plan
from features.online.serving_plan import ServingPlan
from features.schema.on_demand_columns import OnDemandFunction
from features.schema.on_demand_source import compile_function
from features.settings import FeatureSettings


@dataclass(frozen=True)
class OpenedService:
    """A service's plan, and the functions of its on-demand views by view."""

    plan: ServingPlan
    functions: dict[str, OnDemandFunction]


def open_service(settings: FeatureSettings, service: str) -> OpenedService:
    """Return what is needed to serve the service, as the registry has it now.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedFeatureError: a feature is neither text, number nor boolean.
        UnsupportedRetrievalError: the repository has another online store than this room's.
        RepositoryError: the repository was never applied.
    """
    plan = read_plan(settings, service)
    if plan is None:
        return open_through_feast(settings, service)
    return OpenedService(plan, {view.name: compile_function(view.source or "") for view in plan.computed})


def open_through_feast(settings: FeatureSettings, service: str) -> OpenedService:
    """Do the same from the registry itself, and put the plan on file for the next time."""
    from features.online.planning import on_demand_functions, plan_serving
    from features.repository.feature_store import open_store
    from features.schema.service_plan import plan_service

    store = open_store(settings)
    origin = PlanOrigin.of(settings)
    resolved = plan_service(store, service)
    opened = OpenedService(plan_serving(store, resolved), on_demand_functions(resolved))
    write_plan(settings, service, opened.plan, origin)
    return opened
