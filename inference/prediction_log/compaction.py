"""Journal lines become Parquet: one file per segment and prediction date, idempotent after a crash anywhere.

A segment counts until its journal file has lost its name, and only then do its sealed files: a reader that
sees both reads the journal alone. So a crash between writing and renaming neither loses nor doubles a row.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from inference.core.atomic_parquet import AtomicParquet
from inference.core.packed_numbers import unpack_numbers
from inference.prediction_log.errors import PredictionLogError, TornSegmentError
from inference.prediction_log.retention import retain
from inference.prediction_log.schema import CATEGORICAL, FIXED_FIELDS, PRESENT, TIMESTAMP, wide_schema
from inference.prediction_log.segment import Layout, LoggedPrediction, Scalar, read_segment, set_aside


def seal_segment(path: Path, folder: Path) -> None:
    """Turn a closed segment into sealed files and retain it, unless another process did so meanwhile.

    Raises:
        UnknownLogVersionError, CorruptLogError: the segment cannot be read and is left where it is.
    """
    try:
        table = to_table(*read_segment(path))
    except FileNotFoundError:
        return
    except TornSegmentError:
        set_aside(path)
        return
    write_parts(table, folder, path.stem)
    retain(path, table.num_rows)


def to_table(layout: Layout, entries: Sequence[LoggedPrediction]) -> pa.Table:
    """The segment's lines as a table in the log's schema."""
    schema = wide_schema(layout.keys, layout.features)
    fixed = [[getattr(entry, field.name) for entry in entries] for field in FIXED_FIELDS]
    width = len(layout.features)
    columns = [
        *fixed,
        *_transposed([entry.keys for entry in entries], len(layout.keys)),
    ]
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    arrays += _feature_arrays(layout, entries)
    arrays += _status_arrays([entry.statuses for entry in entries], width)
    arrays += _age_arrays([entry.ages for entry in entries], width)
    return pa.Table.from_arrays(arrays, schema=schema)


def write_parts(table: pa.Table, folder: Path, name: str) -> list[Path]:
    """Write `date=D/<name>.parquet` for every prediction date of the table, each atomically."""
    if not table.num_rows:
        return []
    days = pc.cast(table["prediction_time"], pa.date32())
    found = sorted(pc.unique(days).to_pylist())
    if len(found) == 1:
        return [_write_atomically(table, part_path(folder, found[0], name))]
    return [
        _write_atomically(table.filter(pc.equal(days, pa.scalar(day))), part_path(folder, day, name))
        for day in found
    ]


def part_path(folder: Path, day: date, name: str) -> Path:
    """Where the rows of one prediction date and one segment lie."""
    return folder / f"date={day.isoformat()}" / f"{name}.parquet"


def _write_atomically(table: pa.Table, path: Path) -> Path:
    texts = [field.name for field in table.schema if field.type == pa.string()]
    # Numbers seldom repeat.
    with AtomicParquet(path, table.schema, compression="zstd", use_dictionary=texts) as file:
        file.write_group(table)
    return path


def _transposed(rows: Sequence[Sequence[Scalar]], width: int) -> list[tuple[Scalar, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _feature_arrays(layout: Layout, entries: Sequence[LoggedPrediction]) -> Iterator[pa.Array]:
    kinds = [kind for _, kind in layout.features]
    width = kinds.count(CATEGORICAL)
    texts = iter(_transposed([entry.texts for entry in entries], width))
    numbers = iter(unpack_numbers([entry.numbers for entry in entries], len(kinds) - width).T.copy())
    for kind in kinds:
        if kind == CATEGORICAL:
            yield pa.array(next(texts), pa.string())
        else:
            yield pa.array(next(numbers), pa.float64(), from_pandas=True)  # NaN is null


def _status_arrays(statuses: Sequence[tuple[str, ...]], width: int) -> list[pa.Array]:
    """The columns, put together from the few different rows that there are of statuses."""
    places: dict[tuple[str, ...], int] = {}
    found = pa.array([places.setdefault(row, len(places)) for row in statuses], pa.int32())
    different = [row or (PRESENT,) * width for row in places]
    return [pa.array(column, pa.string()).take(found) for column in _transposed(different, width)]


def _age_arrays(ages: Sequence[tuple[float | None, ...]], width: int) -> list[pa.Array]:
    if not any(ages):
        return [pa.nulls(len(ages), pa.float64())] * width
    known = [row or (None,) * width for row in ages]
    return [pa.array(column, pa.float64()) for column in _transposed(known, width)]


def _array(column: Sequence[object], dtype: pa.DataType) -> pa.Array:
    if dtype == TIMESTAMP:
        column = [datetime.fromisoformat(value) if isinstance(value, str) else value for value in column]
    return pa.array(column, type=dtype)


def seal_all(folder: Path, paths: Sequence[Path]) -> int:
    """Seal each segment, whatever becomes of the others; how many could not be. Their errors go to stderr."""
    failed = 0
    for path in paths:
        try:
            seal_segment(path, folder)
        except (PredictionLogError, OSError, pa.ArrowException) as error:
            failed += 1
            print(error, file=sys.stderr)
    return failed
