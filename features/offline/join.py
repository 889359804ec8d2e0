"""The join of one slice: every view's features for checked entity rows, two views at a time."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.offline.asof_sql import (
    CODE,
    CREATED,
    ENTITY_TABLE,
    EVENT,
    INSTANT,
    KEY_TABLE,
    PLACE,
    ROW,
    AsOfSource,
    Span,
    count_rows,
    found_rows,
    held_rows,
)
from features.offline.entities import check_key_types, narrow_rows, span_of
from features.offline.keys import KeyCodes, Whole, try_encode
from features.offline.newest import NOTHING, drop_expired, newest_rows
from features.offline.session import Session
from features.timestamps import MICROSECOND

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# While one view's rows are searched on one core, DuckDB reads the next view's on the others.
WORKERS = 2
# Values per row that the search holds beside the features: key, times and place, and their order.
SEARCHED = 6

KeySet = tuple[str, ...]


def join_features(
    session: Session,
    rows: pa.Table,
    sources: Sequence[AsOfSource],
    types: Sequence[dict[str, str]],
    held_cells: int,
) -> pa.Table:
    """Return checked entity rows with every source's columns.

    Of a source at most `held_cells` values are held; one of which the rows can see more is DuckDB's to join,
    which spills what does not fit.
    """
    narrow = narrow_rows(rows, sources)
    check_key_types(session.connection, narrow, sources, types)
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            sets = list(dict.fromkeys(map(_key_set, sources)))
            codes = pool.map(lambda keys: try_encode(narrow, keys), sets)
            join = SliceJoin(
                session, narrow, span_of(narrow), held_cells, dict(zip(sets, codes, strict=True))
            )
            return _append_columns(rows, pool.map(join.find, sources))
        except BaseException:
            session.interrupt()
            raise


@dataclass(frozen=True)
class SliceJoin:
    """What all views of a slice are joined with: keys, row numbers and instants, and the keys' codes."""

    session: Session
    narrow: pa.Table
    span: Span | None
    held_cells: int
    codes: Mapping[KeySet, KeyCodes | None]
    _alone: Lock = field(default_factory=Lock)

    def find(self, source: AsOfSource) -> pa.Table:
        """Return the source's columns for every entity row, in their order; nulls where nothing is known."""
        codes = self.codes[_key_set(source)]
        with self.session.cursor() as cursor:
            if codes and not source.known_only and self._fits(cursor, source):
                return self._find_held(cursor, source, codes)
            with self._alone:  # two joins that spill would take the memory from each other
                cursor.register(ENTITY_TABLE, self.narrow)
                found = cursor.sql(found_rows(source, self.span)).to_arrow_table()
        return align_rows(found, self.narrow.num_rows)

    def _fits(self, cursor: "DuckDBPyConnection", source: AsOfSource) -> bool:
        rows = cursor.execute(count_rows(source, self.span)).fetchall()[0][0]
        return bool(rows * (len(source.columns) + SEARCHED) <= self.held_cells)

    def _find_held(self, cursor: "DuckDBPyConnection", source: AsOfSource, codes: KeyCodes) -> pa.Table:
        cursor.register("given_keys", codes.table)
        cursor.execute(f"CREATE TEMP TABLE {KEY_TABLE} AS FROM given_keys")
        held = cursor.sql(held_rows(source, self.span)).to_arrow_table()
        names = [EVENT, CREATED, PLACE] if source.created else [EVENT, PLACE]
        known, *times = (_to_numpy(held[name]) for name in (CODE, *names))
        instants = self.narrow[INSTANT].to_numpy()
        found = newest_rows(known, times, codes.asked, instants)
        if source.ttl:
            found = drop_expired(found, times[0], instants, source.ttl // MICROSECOND)
        return take_rows(held.select([column.answer for column in source.columns]), found)


def align_rows(found: pa.Table, rows: int) -> pa.Table:
    """Return one row per entity row, in their order: the found one that has its number, else nulls.

    DuckDB would join and sort the features once more for this.
    """
    places = np.full(rows, NOTHING, dtype=np.int64)
    places[found[ROW].to_numpy()] = np.arange(found.num_rows)
    return take_rows(found.drop_columns([ROW]), places)


def take_rows(table: pa.Table, places: Whole) -> pa.Table:
    """Return the table's rows at the places; nulls where the place is negative.

    From the system's memory: Arrow's own pool hands large blocks back to the kernel and has to ask for them
    again, which took longer than the taking itself.
    """
    return pc.take(table, pa.array(places, mask=places < 0), memory_pool=pa.system_memory_pool())


def _key_set(source: AsOfSource) -> KeySet:
    """Return the entity rows' columns that the source is joined on; sources often share them."""
    return tuple(key.answer for key in source.keys)


def _to_numpy(column: pa.ChunkedArray) -> Whole:
    values: Whole = column.combine_chunks(memory_pool=pa.system_memory_pool()).to_numpy()
    return values


def _append_columns(rows: pa.Table, found: Iterable[pa.Table]) -> pa.Table:
    for table in found:
        for name in table.column_names:
            rows = rows.append_column(name, table[name])
    return rows
