"""A table of foreign columns becomes questions: features given, or fields whose features are looked up.

Names and shapes are checked here. Values are checked by the core, as for every protocol: features against the
model's contract, all else by the request schema.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isinf
from typing import Any

import numpy as np
from pydantic_core import to_json

from inference.documents import ErrorItem
from inference.errors import InvalidRequestError
from inference.protocols.signatures import GIVEN, Signatures
from inference.protocols.table import NOT_SENT, Column, Table
from inference.validation.limits import FEATURES, INSTANCES
from inference.validation.schema import Question, RequestSchema, new_id

Row = dict[str, Any]


def read_questions(
    table: Table, signatures: Signatures, schema: RequestSchema, now: datetime, wanted: str | None = None
) -> list[Question]:
    """Turn each row into a question, asked as of `now`. NaN is a missing number, as null is.

    Raises:
        InvalidRequestError: the columns are neither the features nor the fields, or a value is not as
            declared; items name each.
    """
    signature = signatures.choose(table.columns, wanted)
    columns = {name: _plain(values) for name, values in table.columns.items()}
    names = signatures.names(GIVEN) if signature == GIVEN else ()
    given = {name: values for name, values in columns.items() if name in names}
    others = {name: values for name, values in columns.items() if name not in names}
    if given and not others:
        return [Question(new_id(), {}, now, row) for row in _rows(given, table)]
    _require_finite(columns)
    instances = _rows(others, table)
    if given:
        for instance, row in zip(instances, _rows(given, table), strict=True):
            instance[FEATURES] = row
    return schema.decode(to_json({INSTANCES: instances}, inf_nan_mode="null"), now)


def _plain(values: Column) -> Sequence[Any]:
    plain: Sequence[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    return [None if value != value else value for value in plain]


def _rows(columns: Mapping[str, Sequence[Any]], table: Table) -> list[Row]:
    names = tuple(columns)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not table.gaps:
        return rows
    return [{name: value for name, value in row.items() if value is not NOT_SENT} for row in rows]


def _require_finite(columns: Mapping[str, Sequence[Any]]) -> None:
    """JSON, through which the request schema reads, has no infinity."""
    for name, values in columns.items():
        for index, value in enumerate(values):
            if isinstance(value, float) and isinf(value):
                text = f"{name!r} is infinite; send a finite number"
                item = ErrorItem(index=index, field=name, code="out_of_range", message=text)
                raise InvalidRequestError("a value is wrong, nothing was predicted; correct it", [item])
