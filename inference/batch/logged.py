"""Bulk predictions as rows of the prediction log, built from Arrow columns."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from features.schema import FeatureColumn
from inference.batch.job import EVENT_TIMESTAMP
from inference.errors import BatchInputError
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import arrow_schema
from training.matrix import Floats
from training.problem import Problem

EXAMPLE_ID = "example_id"
ROLE, SOURCE = "champion", "batch"


def require_loggable(names: Sequence[str], problem: Problem) -> None:
    """Check that rows say what the log asks of each.

    Raises:
        BatchInputError: a column is not there.
    """
    wanted = [EXAMPLE_ID, EVENT_TIMESTAMP, *(field.name for field in problem.fields)]
    if lacking := [name for name in wanted if name not in names]:
        raise BatchInputError(f"the input lacks {lacking}, which the log needs; score it without --log")


def log_table(
    problem: Problem,
    columns: Sequence[FeatureColumn],
    rows: pa.Table,
    predictions: Floats,
    version: str,
    pseudonyms: Pseudonyms | None,
) -> pa.Table:
    """Rows with their features and predictions in the log's schema, personal fields under `pseudonyms`.

    A feature without a value is logged as missing; ages are not known here.
    """
    count = rows.num_rows
    arrays = {
        "request_id": rows.column(EXAMPLE_ID),
        "prediction_time": rows.column(EVENT_TIMESTAMP),
        "logged_at": pa.repeat(datetime.now(UTC), count),
        "model_version": pa.repeat(version, count),
        "role": pa.repeat(ROLE, count),
        "source": pa.repeat(SOURCE, count),
        "prediction": pa.array(predictions),
    }
    for field in problem.fields:
        values = rows.column(field.name)
        arrays[f"key.{field.name}"] = pseudonyms.conceal_column(field.name, values) if pseudonyms else values
    for column in columns:
        values = _without_nan(rows.column(column.name))
        arrays[f"feature.{column.name}"] = values
        arrays[f"status.{column.name}"] = _statuses(values)
    schema = arrow_schema(columns, problem)
    return pa.Table.from_arrays(
        [_typed(arrays.get(field.name), field, count) for field in schema], schema=schema
    )


def _without_nan(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(values.type) or not pc.any(pc.is_nan(values)).as_py():
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _statuses(values: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if not values.null_count:
        return pa.repeat("present", len(values))
    return pc.if_else(pc.is_null(values), "missing", "present")


def _typed(values: pa.Array | pa.ChunkedArray | None, field: pa.Field, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    return values if values.type == field.type else pc.cast(values, field.type)
