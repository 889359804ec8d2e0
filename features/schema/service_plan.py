"""What a feature service reads: each view's keys, columns and TTL, and each on-demand view's inputs.

Types are Feast's, by name: see `feature_types`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from feast import FeatureService, FeatureStore, FeatureView, Field, OnDemandFeatureView
from feast.errors import FeatureServiceNotFoundException
from feast.types import Bool, Float32, Float64, Int32, Int64, String

from features.errors import UnknownServiceError, UnsupportedFeatureError
from features.schema.feature_column import FeatureColumn
from features.schema.feature_defaults import declared_defaults
from features.schema.feature_types import Default
from features.schema.on_demand import request_inputs, stored_inputs
from features.schema.on_demand_columns import ViewFeature
from features.schema.views import join_keys, used_name

NUMERIC = (Float64, Float32, Int64, Int32, Bool)


@dataclass(frozen=True)
class ViewPlan:
    """One stored view. `keys`: join key -> name in requests; `features`: what is read, with types.

    `defaults`: what stands for a feature while the online store is away, as its `Field` declares.
    """

    view: FeatureView
    keys: Mapping[str, str]
    features: Mapping[str, str]
    ttl: timedelta | None
    defaults: Mapping[str, Default]

    @property
    def name(self) -> str:
        """The view's name."""
        return str(self.view.name)

    @property
    def used_name(self) -> str:
        """The name that references use: the alias if there is one."""
        return used_name(self.view.projection)

    @property
    def key_types(self) -> dict[str, str]:
        """The type of each join key."""
        return {column.name: str(column.dtype) for column in self.view.entity_columns}


@dataclass(frozen=True)
class OnDemandPlan:
    """One on-demand view: what it reads from the request and from views, and what it answers."""

    view: OnDemandFeatureView
    request_fields: Mapping[str, str]
    inputs: Mapping[str, ViewFeature]
    features: tuple[str, ...]


@dataclass(frozen=True)
class ServicePlan:
    """A feature service resolved: inputs in model order, stored views, on-demand views."""

    service: FeatureService
    columns: tuple[FeatureColumn, ...]
    types: Mapping[str, str]
    views: tuple[ViewPlan, ...]
    on_demand: tuple[OnDemandPlan, ...]

    @property
    def request_fields(self) -> dict[str, str]:
        """Every request field that an on-demand view reads, with its type."""
        return {name: dtype for plan in self.on_demand for name, dtype in plan.request_fields.items()}


def plan_service(store: FeatureStore, name: str) -> ServicePlan:
    """Resolve the service from the store's registry.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedFeatureError: a feature is neither text, number nor boolean.
    """
    service = _find_service(store, name)
    on_demand_names = {view.name for view in store.list_on_demand_feature_views()}
    computed = [p for p in service.feature_view_projections if p.name in on_demand_names]
    stored = [p for p in service.feature_view_projections if p.name not in on_demand_names]
    on_demand = tuple(_plan_on_demand(store.get_on_demand_feature_view(p.name), p) for p in computed)
    sources = [s for plan in on_demand for s in plan.view.source_feature_view_projections.values()]
    types = {field.name: str(field.dtype) for p in service.feature_view_projections for field in p.features}
    return ServicePlan(
        service=service,
        columns=tuple(
            feature_column(field) for p in service.feature_view_projections for field in p.features
        ),
        types=types,
        views=tuple(_plan_views(store, [*stored, *sources])),
        on_demand=on_demand,
    )


def _find_service(store: FeatureStore, name: str) -> FeatureService:
    try:
        return store.get_feature_service(name)
    except FeatureServiceNotFoundException as error:
        known = ", ".join(service.name for service in store.list_feature_services()) or "none"
        raise UnknownServiceError(f"no feature service {name!r}; the registry has: {known}") from error


def _plan_views(store: FeatureStore, projections: list[Any]) -> list[ViewPlan]:
    """Plan one read per view and alias, with the features of every projection that names it."""
    features: dict[str, dict[str, str]] = {}
    chosen: dict[str, Any] = {}
    for projection in projections:
        used = used_name(projection)
        chosen.setdefault(used, projection)
        features.setdefault(used, {}).update({f.name: str(f.dtype) for f in projection.features})
    return [_plan_view(store, chosen[used], features[used]) for used in chosen]


def _plan_view(store: FeatureStore, projection: Any, features: dict[str, str]) -> ViewPlan:
    view = store.get_feature_view(projection.name).with_projection(projection)
    ttl = view.ttl if isinstance(view.ttl, timedelta) and view.ttl else None
    defaults = declared_defaults(field for field in view.features if field.name in features)
    return ViewPlan(view=view, keys=join_keys(view), features=features, ttl=ttl, defaults=defaults)


def _plan_on_demand(view: OnDemandFeatureView, projection: Any) -> OnDemandPlan:
    return OnDemandPlan(
        view=view,
        request_fields=request_inputs(view),
        inputs=stored_inputs(view),
        features=tuple(field.name for field in projection.features),
    )


def feature_column(field: Field) -> FeatureColumn:
    """Return the feature as a model's input.

    Raises:
        UnsupportedFeatureError: it is neither text, number nor boolean.
    """
    if field.dtype == String:
        return FeatureColumn(name=field.name, kind="categorical")
    if field.dtype in NUMERIC:
        return FeatureColumn(name=field.name, kind="numeric")
    raise UnsupportedFeatureError(
        f"feature {field.name!r} is {field.dtype}; declare it as String, Bool or a number"
    )
