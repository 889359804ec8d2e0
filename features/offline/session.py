"""A database that several threads ask at once, and that stops for all of them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Session:
    """The connection, and cursors on the same database for other threads."""

    def __init__(self, connection: "DuckDBPyConnection") -> None:
        self.connection = connection
        self._cursors: list[DuckDBPyConnection] = []
        self._lock = Lock()
        self._stopped = False

    @contextmanager
    def cursor(self) -> Iterator["DuckDBPyConnection"]:
        """Open a cursor for one thread's piece of work; its temporary tables are its own.

        Raises:
            duckdb.InterruptException: the session was interrupted before.
        """
        cursor = self._open_cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")
            yield cursor
        finally:
            with self._lock:
                self._cursors.remove(cursor)
            cursor.close()

    def interrupt(self) -> None:
        """Stop what runs on any cursor, and whatever would start on a further one."""
        with self._lock:
            self._stopped = True
            for each in (self.connection, *self._cursors):
                each.interrupt()

    def _open_cursor(self) -> "DuckDBPyConnection":
        import duckdb

        with self._lock:
            if self._stopped:  # DuckDB forgets an interrupt that meets no running query
                raise duckdb.InterruptException("the session was interrupted")
            cursor = self.connection.cursor()
            self._cursors.append(cursor)
        return cursor
