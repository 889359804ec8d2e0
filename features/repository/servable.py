"""Refuses definitions that history or serving could not take later, before any of them is applied."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from feast import FeatureService, FeatureView, OnDemandFeatureView
from feast.feature_view_projection import FeatureViewProjection
from feast.repo_contents import RepoContents

from features.errors import UnsupportedFeatureError
from features.offline.asof_sql import INNER
from features.offline.entities import EVENT_TIMESTAMP
from features.schema.feature_defaults import declared_defaults
from features.schema.on_demand import request_inputs, require_lists
from features.schema.request_names import require_sendable
from features.schema.request_types import field_reader
from features.schema.service_plan import feature_column
from features.schema.views import join_keys, used_name


def check_servable(contents: RepoContents) -> None:
    """Check the names of all views, and what each feature service puts together.

    Raises:
        UnsupportedFeatureError: names the view or service, the feature, and what to do.
    """
    views: list[FeatureView | OnDemandFeatureView] = [
        *contents.feature_views,
        *contents.on_demand_feature_views,
    ]
    for view in views:
        _check_names(view)
    stored = {str(view.name): view for view in contents.feature_views}
    computed = {str(view.name): view for view in contents.on_demand_feature_views}
    for service in contents.feature_services:
        _check_service(service, stored, computed)


def _check_names(view: FeatureView | OnDemandFeatureView) -> None:
    asked = request_inputs(view) if isinstance(view, OnDemandFeatureView) else join_keys(view)
    for name in [*asked, *(field.name for field in view.features)]:
        try:
            require_sendable(name)
        except ValueError as error:
            raise UnsupportedFeatureError(f"view {view.name!r}: {error}") from error
        if name.lower().startswith(INNER):
            raise UnsupportedFeatureError(
                f"view {view.name!r}: {name!r} begins as the join's own columns do, {INNER}…; rename it"
            )


def _check_service(
    service: FeatureService, stored: Mapping[str, FeatureView], computed: Mapping[str, OnDemandFeatureView]
) -> None:
    projections = list(service.feature_view_projections)
    views = [computed[each.name] for each in projections if each.name in computed]
    for view in views:
        _check_computed(view)
    sources = [each for view in views for each in view.source_feature_view_projections.values()]
    read = [each for each in [*projections, *sources] if each.name in stored]
    _check_aliases(service, read)
    for projection in read:
        declared_defaults(projection.features)
    fields = [field for each in projections for field in each.features]
    for field in fields:
        feature_column(field)
    given = [
        *_keys(read, stored),
        *(name for view in views for name in request_inputs(view)),
        EVENT_TIMESTAMP,
    ]
    _check_told_apart(service, [field.name for field in fields], set(given))


def _check_computed(view: OnDemandFeatureView) -> None:
    require_lists(view)
    for dtype in request_inputs(view).values():
        field_reader(dtype)


def _check_aliases(service: FeatureService, read: Iterable[FeatureViewProjection]) -> None:
    """One name is one view joined on the same keys."""
    known: dict[str, tuple[str, Any]] = {}
    for projection in read:
        name, what = used_name(projection), (projection.name, projection.join_key_map)
        if known.setdefault(name, what) != what:
            raise UnsupportedFeatureError(
                f"service {service.name!r} reads two things as {name!r}; give one a name with `with_name`"
            )


def _keys(read: Iterable[FeatureViewProjection], stored: Mapping[str, FeatureView]) -> Iterator[str]:
    for projection in read:
        yield from join_keys(stored[projection.name].with_projection(projection)).values()


def _check_told_apart(service: FeatureService, features: list[str], given: set[str]) -> None:
    for name in features:
        if name in given or features.count(name) > 1:
            other = "a key, a request field or the instant" if name in given else "another feature"
            raise UnsupportedFeatureError(
                f"service {service.name!r}: feature {name!r} has the name of {other}; rename one: in the "
                "schema and, with `field_mapping`, for the view's source"
            )
