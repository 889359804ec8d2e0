"""A feature service's features as they were known at each example's own instant."""

from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureStore

from features.schema.feature_types import STRING
from features.schema.request_types import frame_dtype
from features.schema.service_plan import ServicePlan, plan_service
from features.schema.values import model_column
from features.schema.views import join_keys

EVENT_TIMESTAMP = "event_timestamp"


def historical_features(store: FeatureStore, service: str, examples: pd.DataFrame) -> pd.DataFrame:
    """Add the service's features to `examples`, point-in-time at `event_timestamp` (UTC).

    Rows, their order and every input column stay; features come after them in model order: text as object
    with `None`, numbers as float64 with NaN. What a view's TTL has expired is missing.

    Raises:
        UnknownServiceError: the registry has no such service.
        UnsupportedRetrievalError: the examples lack a join key or `event_timestamp`.
    """
    plan = plan_service(store, service)
    job = store.get_historical_features(entity_df=_entity_rows(plan, examples), features=plan.service)
    retrieved = job.to_arrow()
    inputs = {name: examples[name].array for name in examples.columns}
    features = {
        column.name: model_column(retrieved[column.name], plan.types[column.name]) for column in plan.columns
    }
    return pd.DataFrame(inputs | features, index=examples.index)


def historical_batches(store: FeatureStore, service: str, examples: str) -> pa.RecordBatchReader:
    """Stream `examples`, one DuckDB query or the path of a Parquet file, with the service's features added.

    Rows, their order and every input column stay; features come after them in model order: text, and numbers
    as float64, null where missing. At most `slice_rows` of the offline store's settings are held at a time,
    so that memory stays bounded however many examples there are.

    Raises:
        UnknownServiceError: the registry has no such service.
        EntityRowsError: the query fails, or its rows lack a join key or an instant; here or while reading.
    """
    plan = plan_service(store, service)
    job: Any = store.get_historical_features(entity_df=examples, features=plan.service)
    reader = job.to_arrow_batches()
    schema = pa.schema([*_inputs(plan, reader.schema), *_features(plan)])
    batches = (batch.select(schema.names).cast(schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _inputs(plan: ServicePlan, answered: pa.Schema) -> list[pa.Field]:
    """Return the examples' own columns: what is neither asked for nor read by an on-demand view."""
    read = {feature for view in plan.views for feature in view.features}
    added = read | {column.name for column in plan.columns}
    return [field for field in answered if field.name not in added]


def _features(plan: ServicePlan) -> list[pa.Field]:
    return [pa.field(column.name, _arrow_type(plan.types[column.name])) for column in plan.columns]


def _arrow_type(dtype: str) -> pa.DataType:
    return pa.string() if dtype == STRING else pa.float64()


def _entity_rows(plan: ServicePlan, examples: pd.DataFrame) -> pd.DataFrame:
    """Keep the columns that the retrieval reads, request fields in their declared types."""
    fields = {name: dtype for name, dtype in plan.request_fields.items() if name in examples}
    keys = [key for view in plan.views for key in join_keys(view.view).values()]
    names = dict.fromkeys(name for name in [*keys, *fields, EVENT_TIMESTAMP] if name in examples)
    typed: dict[str, Any] = {name: frame_dtype(dtype) for name, dtype in fields.items()}
    return examples[list(names)].astype(typed)
