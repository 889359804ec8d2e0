"""On-demand views computed from lists of Python values, the same way for served rows and for history."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import OnDemandFeatureView
from feast.types import PrimitiveFeastType, from_feast_to_pyarrow_type

from features.errors import UnsupportedFeatureError
from features.schema.on_demand_columns import Columns, OnDemandFunction, ViewFeature, check_answer
from features.schema.views import used_name

FEAST_TYPES = {str(dtype): dtype for dtype in PrimitiveFeastType}


def stored_inputs(view: OnDemandFeatureView) -> dict[str, ViewFeature]:
    """Return the stored features that the function sees, under their own names and as `view__feature`."""
    return {
        name: (used_name(source), field.name)
        for source in view.source_feature_view_projections.values()
        for field in source.features
        for name in (field.name, f"{source.name}__{field.name}")
    }


def request_inputs(view: OnDemandFeatureView) -> dict[str, str]:
    """Return the request fields that the function sees, with their types."""
    sources = view.source_request_sources.values()
    return {field.name: str(field.dtype) for source in sources for field in source.schema}


def on_demand_function(view: OnDemandFeatureView, input_types: Mapping[str, str]) -> OnDemandFunction:
    """Return the view's transformation over lists of values, one item per row; missing values are `None`.

    A view in Python mode is called directly; any other runs through Arrow, which takes milliseconds.

    Raises:
        UnsupportedFeatureError: a singleton view, which Feast cannot compute in historical retrieval.
    """
    require_lists(view)
    if view.mode == "python":
        return _python_function(view)
    types = {name: FEAST_TYPES[input_types[name]] for name in _plain_names(view)}
    schema = pa.schema([(name, from_feast_to_pyarrow_type(dtype)) for name, dtype in types.items()])

    def transform(columns: Columns) -> Columns:
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        answer: Columns = view.transform_arrow(table).to_pydict()
        return answer

    return transform


def require_lists(view: OnDemandFeatureView) -> None:
    """Refuse a view that computes one row at a time.

    Raises:
        UnsupportedFeatureError: a singleton view, which Feast cannot compute in historical retrieval.
    """
    if view.singleton:
        raise UnsupportedFeatureError(
            f"on-demand view {view.name!r} is a singleton; let its function take and return lists"
        )


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
    check_answer(view.name, types, computed)
    return {name: pa.array(computed[name], dtype, from_pandas=True) for name, dtype in types.items()}


def _python_function(view: OnDemandFeatureView) -> OnDemandFunction:
    transformation: Any = view.feature_transformation
    function: OnDemandFunction = transformation.udf
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
