"""On-demand views computed from lists of Python values, the same way for served rows and for history."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.types import from_feast_to_pyarrow_type

from features.errors import RepositoryError, UnsupportedFeatureError
from features.view_source import used_name

Columns = dict[str, list[Any]]
ViewFeature = tuple[str, str]


def stored_inputs(view: OnDemandFeatureView) -> dict[str, ViewFeature]:
    """Return the stored features that the function sees, under their own names and as `view__feature`."""
    return {
        name: (used_name(source), field.name)
        for source in view.source_feature_view_projections.values()
        for field in source.features
        for name in (field.name, f"{source.name}__{field.name}")
    }


def request_inputs(view: OnDemandFeatureView) -> dict[str, Any]:
    """Return the request fields that the function sees, with their Feast types."""
    sources = view.source_request_sources.values()
    return {field.name: field.dtype for source in sources for field in source.schema}


def on_demand_function(
    view: OnDemandFeatureView, input_types: Mapping[str, Any]
) -> Callable[[Columns], Columns]:
    """Return the view's transformation over lists of values, one item per row; missing values are `None`.

    A view in Python mode is called directly; any other runs through Arrow, which takes milliseconds.

    Raises:
        UnsupportedFeatureError: a singleton view, which Feast cannot compute in historical retrieval.
    """
    if view.singleton:
        raise UnsupportedFeatureError(
            f"on-demand view {view.name!r} is a singleton; let its function take and return lists"
        )
    if view.mode == "python":
        return _python_function(view)
    types = {name: from_feast_to_pyarrow_type(input_types[name]) for name in _plain_names(view)}
    schema = pa.schema(list(types.items()))

    def transform(columns: Columns) -> Columns:
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        answer: Columns = view.transform_arrow(table).to_pydict()
        return answer

    return transform


def compute_columns(view: OnDemandFeatureView, joined: pa.Table, lists: Columns) -> dict[str, pa.Array]:
    """Return the view's features for a whole table, by their own names.

    Only what the view declares is given to it: turning every column into Python values costs seconds.
    `lists` keeps the columns of `joined` that are turned already, for the next view.
    """
    columns = _declared_columns(view, joined)
    if view.mode == "python":
        for name in set(columns.values()) - set(lists):
            lists[name] = _python_list(joined[name])
        computed = _python_function(view)({name: lists[column] for name, column in columns.items()})
    else:
        plain = pa.table({name: joined[columns[name]] for name in _plain_names(view)})
        computed = view.transform_arrow(plain).to_pydict()
    types = {field.name: from_feast_to_pyarrow_type(field.dtype) for field in view.features}
    check_answer(view, computed)
    return {name: pa.array(computed[name], dtype, from_pandas=True) for name, dtype in types.items()}


def check_answer(view: OnDemandFeatureView, computed: Mapping[str, Any]) -> None:
    """Refuse an answer that lacks a declared feature.

    Raises:
        RepositoryError: the code has moved on since the repository was applied.
    """
    missing = [field.name for field in view.features if field.name not in computed]
    if missing:
        raise RepositoryError(
            f"on-demand view {view.name!r} no longer computes {missing}; run `python -m features apply`"
        )


def gather_inputs(
    requests: Sequence[Mapping[str, Any]],
    fields: Iterable[str],
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
    inputs: Mapping[str, ViewFeature],
) -> Columns:
    """Return a view's inputs as lists, from request rows and from each stored view's rows."""
    columns: Columns = {name: [request[name] for request in requests] for name in fields}
    for name, (view, feature) in inputs.items():
        columns[name] = [row.get(feature) for row in stored[view]]
    return columns


def _python_function(view: OnDemandFeatureView) -> Callable[[Columns], Columns]:
    transformation: Any = view.feature_transformation
    function: Callable[[Columns], Columns] = transformation.udf
    return function


def _plain_names(view: OnDemandFeatureView) -> list[str]:
    """Return the inputs under their own names; Feast itself adds `view__feature` for tables."""
    stored = [feature for _, feature in stored_inputs(view).values()]
    return list(dict.fromkeys([*request_inputs(view), *stored]))


def _declared_columns(view: OnDemandFeatureView, joined: pa.Table) -> dict[str, str]:
    """Map each name that the function sees to the joined table's column."""
    columns = {name: name for name in request_inputs(view)}
    for name, (source, feature) in stored_inputs(view).items():
        full = f"{source}__{feature}"
        columns[name] = full if full in joined.column_names else feature
    return columns


def _python_list(column: pa.ChunkedArray) -> list[Any]:
    """Return the column's values, `None` for null and NaN, instants as UTC datetimes.

    By way of numpy where pyarrow would take several times as long.
    """
    if pa.types.is_timestamp(column.type):
        moments = pd.DatetimeIndex(pd.to_datetime(column.to_pandas(), utc=True)).as_unit("us")
        values, missing = moments.to_pydatetime(), moments.isna()
    elif pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        values, missing = numbers.astype(object), np.isnan(numbers)
    else:
        listed: list[Any] = column.to_pylist()
        return listed
    values[missing] = None
    return list(values.tolist())
