"""DuckDB SQL of the point-in-time join: each source's newest row known at an entity row's instant."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from features.offline.parquet_sql import FILE, ROW_IN_FILE, parquet_table, quote
from features.timestamps import MICROSECOND

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENTITY_TABLE = "entity_rows"
KEY_TABLE = "asked_keys"
# What the join adds to columns; no key and no feature is called so (`view_source`).
INNER = "__asof_"
CODE = f"{INNER}code"
ROW = f"{INNER}row"
INSTANT = f"{INNER}instant"
EVENT = f"{INNER}event"
CREATED = f"{INNER}created"
KNOWN = f"{INNER}known"
PLACE = f"{INNER}place"
RANK = f"{INNER}rank"
# A creation time before every other, for rows without one; the first moment that a timestamp can hold.
NEVER_CREATED = -(2**63) + 1
FIRST_MOMENT = -62_135_596_800_000_000
# More than any place in the files: a moment times this, plus a place, is ordered by both.
PLACES = 2**62


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source calls it and as the answer calls it."""

    source: str
    answer: str


@dataclass(frozen=True)
class AsOfSource:
    """One view's Parquet. `keys` answer with the entity frame's column names; no TTL: never expires.

    `path`: a file, or files in the order in which later ones win ties. `filesystem`: the fsspec
    file system that reads them, where they are not local. `known_only`: a row counts from its creation time
    on, not from its event time, where that is later.
    """

    path: str | tuple[str, ...]
    keys: tuple[SourceColumn, ...]
    columns: tuple[SourceColumn, ...]
    timestamp: str
    created: str | None
    ttl: timedelta | None
    view: str = ""
    filesystem: Any = field(default=None, compare=False)
    known_only: bool = False

    @cached_property
    def table(self) -> str:
        """The table expression of the files."""
        return parquet_table(self.path, self.filesystem)


@dataclass(frozen=True)
class Span:
    """Microseconds since 1970 UTC of the first and the last instant that is asked for."""

    first: int
    last: int


def instant_sql(column: str) -> str:
    """Return a timestamp column as microseconds since 1970 UTC; a naive timestamp is taken as UTC."""
    return f"epoch_us(CAST({quote(column)} AS TIMESTAMPTZ))"


def moment_sql(microseconds: int) -> str:
    """Return microseconds since 1970 UTC as a timestamp that a Parquet column can be compared with."""
    return f"make_timestamptz({microseconds})"


def place_sql() -> str:
    """Return where a row of Parquet stands, as one number: files in their order, then rows."""
    return f"({FILE} << 40) + {ROW_IN_FILE}"


def loaded_rows(source: AsOfSource, span: Span | None) -> str:
    """Return the source's columns, and its rows that some instant of the span could see.

    A row needs an event time, and with `known_only` a creation time too (Feast reads them so).
    """
    keys = [f"{quote(key.source)} AS {_key(key)}" for key in source.keys]
    columns = [f"{quote(column.source)} AS {quote(column.answer)}" for column in source.columns]
    times = [f"{instant_sql(source.timestamp)} AS {EVENT}", f"{place_sql()} AS {PLACE}"]
    needed = [f"{quote(source.timestamp)} IS NOT NULL", *_within(source, span)]
    if source.created:
        times.append(f"{instant_sql(source.created)} AS {CREATED}")
    if source.created and source.known_only:
        needed.append(f"{quote(source.created)} IS NOT NULL")
    selected = ", ".join([*keys, *columns, *times])
    return f"SELECT {selected} FROM {source.table} WHERE {' AND '.join(needed)}"


def newest_rows(source: AsOfSource) -> str:
    """Return keys, the instant from which a row is known, its event time and its place, once per instant.

    Ties go to the newest creation time, then to the row that stands last in the files: the answer must not
    depend on how threads were scheduled.
    """
    keys = [_key(key) for key in source.keys]
    if source.known_only:
        return _newest_known(keys)
    place = f"arg_max({PLACE}, (coalesce({CREATED}, {NEVER_CREATED}), {PLACE}))"
    grouped = ", ".join([*keys, EVENT])
    return f"SELECT {grouped}, {EVENT} AS {KNOWN}, {place} AS {PLACE} FROM loaded GROUP BY {grouped}"


def asof_rows(source: AsOfSource, *, expire: bool, span: Span | None = None) -> str:
    """Return row, event time and the source's columns for every entity row that has a row known by then.

    With `expire`, a row older than the TTL at the entity row's instant is left out; one exactly as old as
    the TTL is kept, as Feast does. The files are read once, so that a file which is replaced meanwhile
    cannot mix its rows with the old ones.
    """
    if source.created:
        return _looked_up_rows(source, expire, span)
    matches = [*_same_keys(source), f"e.{RANK} >= s.{RANK}"]
    alive = _alive(source) if expire else "true"
    return (
        f"SELECT e.{ROW}, s.{EVENT}{_answers(source, 's')} "
        f"FROM (SELECT *, {_rank(INSTANT, str(PLACES - 1))} AS {RANK} FROM {ENTITY_TABLE}) e "
        f"ASOF JOIN (SELECT *, {_rank(EVENT, PLACE)} AS {RANK} FROM ({loaded_rows(source, span)})) s "
        f"ON {' AND '.join(matches)} WHERE {alive}"
    )


def found_rows(source: AsOfSource, span: Span | None = None) -> str:
    """Return row number and the source's columns, in no order; what nothing answers is left out."""
    return f"SELECT a.{ROW}{_answers(source, 'a')} FROM ({asof_rows(source, expire=True, span=span)}) a"


def count_rows(source: AsOfSource, span: Span | None) -> str:
    """Return the query of how many rows of the source some instant of the span could see."""
    return f"SELECT count(*) FROM ({loaded_rows(source, span)})"


def held_rows(source: AsOfSource, span: Span | None) -> str:
    """Return code, times, place and the source's columns of the rows whose keys are in `asked_keys`.

    What needs no order and no grouping: which row is the newest is found outside DuckDB.
    """
    matches = [f"k.{quote(key.answer)} = l.{_key(key)}" for key in source.keys] or ["true"]
    times = f"l.{EVENT}, l.{PLACE}::BIGINT AS {PLACE}"
    if source.created:
        times += f", coalesce(l.{CREATED}, {NEVER_CREATED}) AS {CREATED}"
    return (
        f"SELECT k.{CODE}, {times}{_answers(source, 'l')} "
        f"FROM ({loaded_rows(source, span)}) l JOIN {KEY_TABLE} k ON {' AND '.join(matches)} "
        f"WHERE l.{EVENT} IS NOT NULL"  # an infinite time is no microseconds
    )


def whole_query(entity_query: str, instant: str, sources: Sequence[AsOfSource]) -> str:
    """Return one query that answers the entity query's columns and every source's, in its rows' order."""
    rows = f"SELECT *, row_number() OVER () - 1 AS {ROW}, {instant_sql(instant)} AS {INSTANT}"
    parts = [f"{ENTITY_TABLE} AS MATERIALIZED ({rows} FROM ({entity_query}))"]
    parts += [f"s{i} AS ({asof_rows(source, expire=True)})" for i, source in enumerate(sources)]
    columns = [f"s{i}.{quote(c.answer)}" for i, source in enumerate(sources) for c in source.columns]
    selected = ", ".join([f"e.* EXCLUDE ({ROW}, {INSTANT})", *columns])
    joins = " ".join(f"LEFT JOIN s{i} ON s{i}.{ROW} = e.{ROW}" for i in range(len(sources)))
    return f"WITH {', '.join(parts)} SELECT {selected} FROM {ENTITY_TABLE} e {joins} ORDER BY e.{ROW}"


def connect_utc() -> "DuckDBPyConnection":
    """Open an in-memory DuckDB whose naive timestamps are UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _key(key: SourceColumn) -> str:
    return quote(f"{INNER}key_{key.answer}")


def _within(source: AsOfSource, span: Span | None) -> list[str]:
    """Bound the event time on the raw column, so that Parquet's own statistics skip what cannot matter."""
    if span is None:
        return []
    bounds = [f"{quote(source.timestamp)} <= {moment_sql(span.last)}"]
    if source.ttl:
        oldest = max(FIRST_MOMENT, span.first - source.ttl // MICROSECOND)
        bounds.append(f"{quote(source.timestamp)} >= {moment_sql(oldest)}")
    return bounds


def _newest_known(keys: Sequence[str]) -> str:
    """Return what becomes known when: rows that an event already known then has overtaken are left out."""
    grouped = ", ".join([*keys, KNOWN])
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    best = f"max(({EVENT}, {CREATED}, {PLACE}))"
    return (
        f"SELECT {grouped}, best[1] AS {EVENT}, best[3] AS {PLACE} FROM ("
        f"SELECT {grouped}, {best} AS best FROM "
        f"(SELECT *, greatest({EVENT}, {CREATED}) AS {KNOWN} FROM loaded) GROUP BY {grouped}) "
        f"QUALIFY best[1] = max(best[1]) OVER ({partition}ORDER BY {KNOWN})"
    )


def _looked_up_rows(source: AsOfSource, expire: bool, span: Span | None) -> str:
    """Join by keys, instants and places only, then look the features up by place.

    Which row wins takes a grouping where rows have creation times, and grouping the features would cost more.
    """
    matches = [*_same_keys(source), f"e.{INSTANT} >= s.{KNOWN}"]
    alive = _alive(source) if expire else "true"
    matched = (
        f"SELECT e.{ROW}, s.{EVENT}, s.{PLACE} FROM {ENTITY_TABLE} e "
        f"ASOF JOIN ({newest_rows(source)}) s ON {' AND '.join(matches)} WHERE {alive}"
    )
    return (
        f"WITH loaded AS MATERIALIZED ({loaded_rows(source, span)}), matched AS ({matched}) "
        f"SELECT m.{ROW}, m.{EVENT}{_answers(source, 'l')} "
        f"FROM matched m JOIN loaded l ON l.{PLACE} = m.{PLACE}"
    )


def _same_keys(source: AsOfSource) -> list[str]:
    return [f"e.{quote(key.answer)} = s.{_key(key)}" for key in source.keys]


def _alive(source: AsOfSource) -> str:
    return f"e.{INSTANT} - s.{EVENT} <= {source.ttl // MICROSECOND}" if source.ttl else "true"


def _answers(source: AsOfSource, table: str) -> str:
    return "".join(f", {table}.{quote(column.answer)}" for column in source.columns)


def _rank(moment: str, place: str) -> str:
    """Return moment and place as one number: of rows that tie on the moment the last one is newest."""
    return f"{moment}::HUGEINT * {PLACES} + {place}"
