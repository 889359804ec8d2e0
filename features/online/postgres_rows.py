"""The online store in PostgreSQL: a table per view, the newest row is kept, one query per look-up."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from features.errors import OnlineStoreError
from features.online.database import SETTING, FoundRows, KeyBytes, NewRow, redacted, require_layout

# What an address leaves out. libpq waits at least two seconds for a connection.
CONNECTION: dict[str, Any] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "application_name": "roundtrip",
}
LONGEST_NAME = 63
Answer = TypeVar("Answer")


class PostgresRows:
    """The `RowDatabase` of one PostgreSQL database, in the first schema of its search path.

    Each thread has a connection of its own, which is replaced once when the server has dropped it.
    """

    def __init__(self, address: str) -> None:
        self._name = redacted(address)
        self._conninfo = _conninfo(address)
        self._local = threading.local()

    def fetch(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows:
        """Read with one statement, hence in one round trip and from one snapshot."""
        found: FoundRows = {table: {} for table in wanted}
        if not wanted:
            return found
        tables = list(wanted)
        query, keys = _select(tuple(tables)), [list(wanted[table]) for table in tables]
        rows = self._work(lambda connection: connection.execute(query, keys, binary=True).fetchall())
        for number, key, event, features in rows:
            found[tables[number]][key] = (event, features)
        return found

    def fetch_at_once(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows | None:  # noqa: ARG002
        """`None`: there is a server to wait for."""
        return None

    def upsert(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write in one transaction; tables and keys in their order, so that two writers never deadlock."""

        def write(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                for table in sorted(rows):
                    connection.execute(_upsert(table), _columns(_newest(rows[table])), binary=True)

        self._work(write)

    def lay_out(self, tables: Sequence[str]) -> None:
        """Create the tables in one transaction."""
        too_long = [table for table in tables if len(table.encode()) > LONGEST_NAME]
        if too_long:
            raise self._error(
                f"PostgreSQL would cut {too_long[0]!r} to {LONGEST_NAME} bytes", "shorten the view's name"
            )
        self._run([_CREATE.format(sql.Identifier(table)) for table in tables])

    def drop(self, tables: Sequence[str]) -> None:
        """Drop the tables in one transaction."""
        self._run([sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)) for table in tables])

    def clear(self, tables: Sequence[str]) -> None:
        """Empty the tables in one transaction."""
        self._run([sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables])

    def _run(self, statements: Sequence[sql.Composed]) -> None:
        def run(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)

        self._work(run)

    def _work(self, work: Callable[[psycopg.Connection[Any]], Answer]) -> Answer:
        """Do the work on this thread's connection, once more on a new one if the server had dropped it."""
        with self._explained():
            connection = getattr(self._local, "connection", None)
            if connection is not None and not connection.closed:
                try:
                    return work(connection)
                except psycopg.OperationalError:
                    if not connection.closed:
                        raise
            self._local.connection = psycopg.connect(self._conninfo, autocommit=True)
            return work(self._local.connection)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.UndefinedTable as error:
            require_layout([str(error).partition("\n")[0]], self._name)
        except psycopg.Error as error:
            raise self._error(str(error), f"start PostgreSQL there, or correct {SETTING}") from error

    def _error(self, reason: str, advice: str) -> OnlineStoreError:
        return OnlineStoreError(f"online store {self._name}: {' '.join(reason.split())}; {advice}")


def _conninfo(address: str) -> str:
    try:
        given = conninfo_to_dict(address)
    except psycopg.Error:  # whose message may quote the password
        raise OnlineStoreError(f"{SETTING} is no address of a PostgreSQL database; correct it") from None
    return make_conninfo(**{**CONNECTION, **given})


def _newest(rows: Sequence[NewRow]) -> list[NewRow]:
    """The row of each key that would stand if all were written in turn: one statement takes no two."""
    newest: dict[KeyBytes, NewRow] = {}
    for row in rows:
        stored = newest.get(row[0])
        if stored is None or _rank(row) >= _rank(stored):
            newest[row[0]] = row
    return [newest[key] for key in sorted(newest)]


def _rank(row: NewRow) -> tuple[int, int]:
    return row[1], -1 if row[2] is None else row[2]


def _columns(rows: Sequence[NewRow]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]


@cache
def _select(tables: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, entity_key, event_us, features FROM {} WHERE entity_key = ANY(%s)").format(
            sql.Literal(number), sql.Identifier(table)
        )
        for number, table in enumerate(tables)
    )


def _upsert(table: str) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {table} AS stored SELECT * FROM "
        "unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::bytea[]) ON CONFLICT (entity_key) DO UPDATE SET "
        "event_us = excluded.event_us, created_us = excluded.created_us, features = excluded.features "
        "WHERE excluded.event_us > stored.event_us OR (excluded.event_us = stored.event_us "
        "AND coalesce(excluded.created_us, -1) >= coalesce(stored.created_us, -1))"
    ).format(table=sql.Identifier(table))


_CREATE = sql.SQL(
    "CREATE TABLE IF NOT EXISTS {} (entity_key bytea PRIMARY KEY, event_us bigint NOT NULL, "
    "created_us bigint, features bytea NOT NULL)"
)
