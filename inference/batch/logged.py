"""Bulk predictions as rows of the prediction log, built from Arrow columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from contracts.matrix import Floats
from contracts.problem import Problem, RequestField
from features.schema.feature_column import FeatureColumn
from inference.batch.job import EVENT_TIMESTAMP
from inference.errors import BatchInputError
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.schema import FIELD_TYPES, MISSING, PRESENT, arrow_schema
from inference.prediction_log.segment import BATCH

EXAMPLE_ID = "example_id"
ROLE = "champion"


def require_loggable(names: Sequence[str], problem: Problem) -> None:
    """Check that rows say what the log asks of each.

    Raises:
        BatchInputError: a column is not there.
    """
    wanted = [EXAMPLE_ID, EVENT_TIMESTAMP, *(field.name for field in problem.fields)]
    if lacking := [name for name in wanted if name not in names]:
        raise BatchInputError(f"the input lacks {lacking}, which the log needs; score it without --log")


def log_rows(
    problem: Problem,
    columns: Sequence[FeatureColumn],
    rows: pa.RecordBatch,
    predictions: Floats,
    version: str,
    pseudonyms: Pseudonyms | None,
) -> pa.RecordBatch:
    """Rows with their features and predictions in the log's schema, personal fields under `pseudonyms`.

    Texts that repeat are dictionaries. A feature without a value is logged as missing. Ages are not known
    here, and their columns left out.

    Raises:
        BatchInputError: a row has no id or no instant, or a column does not hold what the log takes.
    """
    count = rows.num_rows
    arrays = {
        "request_id": _complete(rows, EXAMPLE_ID),
        "prediction_time": _complete(rows, EVENT_TIMESTAMP),
        "logged_at": pa.repeat(datetime.now(UTC), count),
        "model_version": _constant(version, count),
        "role": _constant(ROLE, count),
        "source": _constant(BATCH, count),
        "prediction": pa.array(predictions),
    }
    for field in problem.fields:
        arrays[f"key.{field.name}"] = _key(rows.column(field.name), field, pseudonyms)
    for column in columns:
        values, without_value = _feature(rows.column(column.name), column)
        arrays[f"feature.{column.name}"] = values
        arrays[f"status.{column.name}"] = _dictionary(without_value.cast(pa.int8()), (PRESENT, MISSING))
    arrays["latency_ms"], arrays["caller"] = pa.nulls(count, pa.float64()), pa.nulls(count, pa.string())
    return _in_schema(arrays, arrow_schema(columns, problem))


def _complete(rows: pa.RecordBatch, name: str) -> pa.Array:
    values = rows.column(name)
    if values.null_count:
        raise BatchInputError(
            f"{values.null_count} of {len(values)} rows have no {name!r}, which the log needs; "
            "mend them, or score without --log"
        )
    return values


def _key(values: pa.Array, field: RequestField, pseudonyms: Pseudonyms | None) -> pa.Array:
    if pseudonyms is None or not field.personal:
        return values
    distinct = _cast(field.name, values, FIELD_TYPES[field.dtype]).dictionary_encode()
    concealed = pseudonyms.conceal_column(field.name, pa.chunked_array([distinct.dictionary]))
    return concealed.combine_chunks().take(distinct.indices)


def _feature(values: pa.Array, column: FeatureColumn) -> tuple[pa.Array, pa.BooleanArray]:
    """What is logged of a feature, and which rows have no value of it: NaN is none."""
    if column.kind == "categorical":
        texts = pa.types.is_dictionary(values.type) and values.type.value_type == pa.string()
        known = values if texts else _cast(column.name, values, pa.string()).dictionary_encode()
        return known, pc.is_null(known)
    numbers = pc.cast(values, pa.float64(), safe=False)
    without_value = pc.is_null(numbers, nan_is_null=True)
    if without_value.true_count > numbers.null_count:
        numbers = pc.if_else(without_value, None, numbers)
    return numbers, without_value


def _constant(text: str, rows: int) -> pa.Array:
    return _dictionary(pa.repeat(pa.scalar(0, pa.int8()), rows), [text])


def _dictionary(places: pa.Array, texts: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(places, pa.array(texts), safe=False)  # the places are in bounds


def _in_schema(arrays: Mapping[str, pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """The arrays as columns in the schema's order, dictionaries of its types left as they are."""
    known = [field for field in schema if field.name in arrays]
    columns = [_typed(arrays[field.name], field) for field in known]
    fields = [field.with_type(column.type) for field, column in zip(known, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, metadata=schema.metadata))


def _typed(values: pa.Array, field: pa.Field) -> pa.Array:
    encoded = pa.types.is_dictionary(values.type) and values.type.value_type == field.type
    return values if encoded else _cast(field.name, values, field.type)


def _cast(name: str, values: pa.Array, dtype: pa.DataType) -> pa.Array:
    if values.type == dtype:
        return values
    try:
        return pc.cast(values, dtype)
    except pa.ArrowException as error:
        raise BatchInputError(
            f"{name!r} cannot be logged as {dtype} ({error}); mend it, or score without --log"
        ) from error
