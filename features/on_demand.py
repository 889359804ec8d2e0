"""On-demand views applied to served rows, with the function that historical retrieval runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from feast.types import from_feast_to_pyarrow_type

from features.errors import UnsupportedFeatureError
from features.service_plan import OnDemandPlan

Columns = dict[str, list[Any]]


def on_demand_function(plan: OnDemandPlan, input_types: Mapping[str, Any]) -> Callable[[Columns], Columns]:
    """Return the view's transformation over lists of values, one item per row.

    A view in Python mode is called directly; any other runs through Arrow, which takes milliseconds.

    Raises:
        UnsupportedFeatureError: a singleton view, which Feast cannot compute in historical retrieval.
    """
    if plan.view.singleton:
        raise UnsupportedFeatureError(
            f"on-demand view {plan.view.name!r} is a singleton; let its function take and return lists"
        )
    if plan.view.mode == "python":
        function: Callable[[Columns], Columns] = plan.view.feature_transformation.udf
        return function
    schema = pa.schema([(name, from_feast_to_pyarrow_type(dtype)) for name, dtype in input_types.items()])

    def transform(columns: Columns) -> Columns:
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        answer: Columns = plan.view.transform_arrow(table).to_pydict()
        return answer

    return transform


def gather_inputs(
    plan: OnDemandPlan,
    requests: Sequence[Mapping[str, Any]],
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Columns:
    """Return the view's inputs as lists: request fields by name, stored features by name and `view__name`."""
    columns: Columns = {name: [request[name] for request in requests] for name in plan.request_fields}
    for name, (view, feature) in plan.inputs.items():
        columns[name] = [row.get(feature) for row in stored[view]]
    return columns
