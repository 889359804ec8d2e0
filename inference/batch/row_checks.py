"""Holds the rows of a bulk run to what requests may hold, column by column."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from sys import float_info
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc

from contracts.matrix import names_of
from contracts.problem import RequestField, load_problem
from inference.batch.inputs import Part
from inference.batch.job import EVENT_TIMESTAMP, BatchJob
from inference.batch.logged import EXAMPLE_ID
from inference.core.arrow_texts import as_texts
from inference.errors import BatchInputError
from inference.validation.given_features import LARGEST
from inference.validation.limits import EARLIEST, INTEGERS, LATEST, LONGEST_ID, LONGEST_TEXT

FINITE: Final = (-float_info.max, float_info.max)
Number = int | float


@dataclass(frozen=True)
class RowChecks:
    """What is asked of a job's columns; those that it does not read are none of its business.

    `texts`: the fewest and the most characters of each. `numbers`: the least and the greatest. `required`:
    those that every row has to have.
    """

    texts: dict[str, tuple[int, int]]
    numbers: dict[str, tuple[Number, Number]]
    instants: tuple[str, ...]
    required: tuple[str, ...]

    @classmethod
    def of(cls, job: BatchJob) -> Self:
        """Those of the features that the files hold, and of the fields that are looked up by, or logged."""
        fields = load_problem(job.settings.problem).fields if job.log or job.historical else ()
        texts = {field.name: (0, field.max_length) for field in fields if field.dtype == "string"}
        numbers = {field.name: _range(field) for field in fields if field.dtype in ("integer", "number")}
        if job.log:
            texts[EXAMPLE_ID] = (1, LONGEST_ID)
        if not job.historical:
            texts |= dict.fromkeys(names_of(job.columns, "categorical"), (0, LONGEST_TEXT))
            numbers |= dict.fromkeys(names_of(job.columns, "numeric"), (-LARGEST, LARGEST))
        instants = [field.name for field in fields if field.dtype == "timestamp"]
        return cls(
            texts=texts,
            numbers=numbers,
            instants=(*instants, EVENT_TIMESTAMP) if fields else (),
            required=tuple(field.name for field in fields if job.historical and not field.nullable),
        )

    def checked(self, rows: pa.RecordBatch, part: Part, first: int) -> pa.RecordBatch:
        """The rows, their texts as text; `first` is the place of the first of them in the part's file.

        Raises:
            BatchInputError: a column is of another type, or a value out of range; the message names it.
        """
        arrays = {name: rows.column(name) for name in rows.schema.names}
        try:
            for name, wrong, expected in self._wrong(arrays):
                _require_none(wrong, f"{name!r} must be {expected}", arrays[name], part, first)
        except pa.ArrowException as error:
            raise BatchInputError(
                f"{part.path} holds what cannot be read as a request is ({error}); mend it"
            ) from error
        return pa.RecordBatch.from_pydict(arrays)

    def _wrong(self, arrays: dict[str, pa.Array]) -> Iterator[tuple[str, pa.Array | None, str]]:
        """Each column, where it is wrong, and how it should be; texts are decoded on the way."""
        for name, (least, most) in self.texts.items():
            if name in arrays and not (name == EXAMPLE_ID and pa.types.is_integer(arrays[name].type)):
                arrays[name] = _named(name, arrays[name])
                yield name, _misfits(arrays[name], least, most), f"a text of {least} to {most} characters"
        for name, (low, high) in self.numbers.items():
            if name in arrays:
                yield (
                    name,
                    _beyond(name, arrays[name], low, high),
                    f"a number between {low:.7g} and {high:.7g}",
                )
        for name in self.instants:
            if name in arrays:
                yield (
                    name,
                    _out_of_time(name, arrays[name]),
                    f"an instant from {EARLIEST:%Y} to before {LATEST:%Y}",
                )
        for name in self.required:
            if name in arrays:
                yield name, pc.is_null(arrays[name], nan_is_null=True), "there"


def _range(field: RequestField) -> tuple[Number, Number]:
    low, high = INTEGERS if field.dtype == "integer" else FINITE
    return (
        low if field.minimum is None else field.minimum,
        high if field.maximum is None else field.maximum,
    )


def _named(name: str, values: pa.Array) -> pa.Array:
    try:
        return as_texts(values)
    except pa.ArrowException as error:
        raise pa.ArrowInvalid(f"{name!r}: {error}") from error


def _misfits(values: pa.Array, least: int, most: int) -> pa.Array | None:
    """Where a text is too short or too long. Of a dictionary, first only its few texts are looked at."""
    texts = values.dictionary if pa.types.is_dictionary(values.type) else values
    found = pc.min_max(pc.utf8_length(texts))
    shortest, longest = found["min"].as_py(), found["max"].as_py()
    if shortest is None or (least <= shortest and longest <= most):
        return None
    lengths = pc.utf8_length(pc.cast(values, pa.string()))
    return pc.or_(pc.less(lengths, least), pc.greater(lengths, most))


def _beyond(name: str, values: pa.Array, low: Number, high: Number) -> pa.Array | None:
    """Where a number is out of its range, as infinity always is; NaN is a number that is missing."""
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return None
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise pa.ArrowTypeError(f"{name!r}: {kind} is no number")
    found = pc.min_max(values)
    least, greatest = found["min"].as_py(), found["max"].as_py()
    if least is None or (low <= least and greatest <= high):
        return None
    numbers = pc.cast(values, pa.float64(), safe=False)
    return pc.or_(pc.less(numbers, low), pc.greater(numbers, high))


def _out_of_time(name: str, values: pa.Array) -> pa.Array | None:
    if not pa.types.is_timestamp(values.type) or values.type.tz is None:
        raise pa.ArrowTypeError(f"{name!r}: {values.type} is no timestamp with a time zone")
    early, late = (pa.scalar(moment, values.type) for moment in (EARLIEST, LATEST))
    return pc.or_(pc.less(values, early), pc.greater_equal(values, late))


def _require_none(wrong: pa.Array | None, expected: str, values: pa.Array, part: Part, first: int) -> None:
    place = -1 if wrong is None else pc.index(wrong, pa.scalar(True)).as_py()
    if place >= 0:
        value = values[place].as_py()
        told = value.isoformat() if isinstance(value, datetime) else repr(value)
        raise BatchInputError(
            f"{expected}, as in a request: it is {told[:LONGEST_TEXT]} in row {first + place} of {part.path} "
            "(counted from 0); mend it and run again"
        )
