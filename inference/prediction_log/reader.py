"""Reading the prediction log: each request's one answer, from sealed partitions and the unsealed journal."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.exact_frame import exact_frame
from features.settings import Settings
from inference.prediction_log.compaction import to_table
from inference.prediction_log.errors import CorruptLogError, TornSegmentError
from inference.prediction_log.schema import (
    FIXED_FIELDS,
    RETRY_WINDOW,
    VERSION_KEY,
    check_version,
    log_folder,
)
from inference.prediction_log.segment import BATCH, read_segment, segments

logger = logging.getLogger(__name__)

SHADOW: Final = "shadow"
# What tells one request from another: callers choose their ids without knowing each other's.
REQUEST: Final = ("caller", "request_id")


def read_predictions(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """Return every logged answer with `start <= prediction_time < end`, one per `caller` and `request_id`.

    Answers are the champion's and a challenger's; what was only scored along is read by `read_shadows`.

    Columns as in `schema.arrow_schema` (the union over segments, null where a segment had no such feature);
    times are UTC; ordered by `prediction_time`, then `request_id`. Of what was logged twice within
    `RETRY_WINDOW`, the first (by `logged_at`) counts; a bulk run and a caller never both have a `request_id`,
    since it names one event to them. An empty log gives an empty frame with the fixed
    columns.

    Raises:
        UnknownLogVersionError: a part was written under another schema version.
        CorruptLogError: a part cannot be parsed, or two parts disagree about a column's type. What a crash
            tore off the end of a segment is none.
    """
    table = _read_window(log_folder(settings), start - RETRY_WINDOW, end)
    answers = table.filter(pc.not_equal(table["role"], SHADOW))
    return _first_of_each(answers, [], start)


def read_shadows(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """Return what a model version scored unseen, one per `caller`, `request_id` and `model_version`.

    Columns, order and errors as of `read_predictions`, which has the answer to the same request.
    """
    table = _read_window(log_folder(settings), start - RETRY_WINDOW, end)
    shadows = table.filter(pc.equal(table["role"], SHADOW))
    return _first_of_each(shadows, ["model_version"], start)


def _first_of_each(table: pa.Table, further: Sequence[str], start: datetime) -> pd.DataFrame:
    frame = exact_frame(table.sort_by([("logged_at", "ascending")]))
    frame = _without_doubled_bulk(frame.drop_duplicates([*REQUEST, *further], keep="first"))
    frame = frame[frame["prediction_time"] >= pd.Timestamp(start)]
    return frame.sort_values(["prediction_time", "request_id"], ignore_index=True)


def _without_doubled_bulk(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, oldest first, without those whose id a bulk run had before callers did, or after."""
    is_bulk = frame["source"] == BATCH
    if is_bulk.all() or not is_bulk.any():
        return frame
    return frame[is_bulk == is_bulk.groupby(frame["request_id"]).transform("first")]


def _read_window(folder: Path, start: datetime, end: datetime) -> pa.Table:
    """All rows of the window, retries included. The journal is read first: see `sealing`."""
    journal = dict(_read_journal(folder))
    parts = [part for day in _days(folder, start, end) for part in sorted(day.glob("*.parquet"))]
    sealed = [_read_part(part) for part in parts if part.stem not in journal]
    tables = [_within(table, start, end) for table in [*journal.values(), *sealed]]
    return _with_ages(_concatenate([pa.schema(FIXED_FIELDS).empty_table(), *tables]))


def _read_journal(folder: Path) -> Iterable[tuple[str, pa.Table]]:
    for path in segments(folder):
        try:
            yield path.stem, to_table(*read_segment(path))
        except FileNotFoundError:
            continue  # sealed since it was listed: its rows are in the partitions that are listed next
        except TornSegmentError as error:
            logger.warning("The prediction log is read without a segment: %s", error)


def _read_part(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptLogError(str(path), str(error)) from error
    check_version((table.schema.metadata or {}).get(VERSION_KEY, b"none").decode(), str(path))
    return table


def _with_ages(table: pa.Table) -> pa.Table:
    """With an `age.*` of every feature, null if no part of the log has one."""
    names = table.schema.names
    ages = [name.replace("feature.", "age.", 1) for name in names if name.startswith("feature.")]
    for age in sorted(set(ages).difference(names)):
        table = table.append_column(age, pa.nulls(len(table), pa.float64()))
    return table


def _within(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    times = table["prediction_time"]
    return table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))


def _concatenate(tables: Sequence[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowTypeError as error:
        raise CorruptLogError("the prediction log", f"a column changed its type: {error}") from error


def _days(folder: Path, start: datetime, end: datetime) -> list[Path]:
    """The partitions from the start's day to the end's, as far as there are any."""
    first, last = (f"date={moment.astimezone(UTC).date()}" for moment in (start, end))
    return [day for day in sorted(folder.glob("date=*")) if first <= day.name <= last]
