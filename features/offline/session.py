"""A database that several threads ask at once, and that stops all of them together."""

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

    def cursor(self) -> "DuckDBPyConnection":
        """Open a cursor of its own; a thread takes one for each piece of work.

        Raises:
            duckdb.InterruptException: the session was interrupted before.
        """
        import duckdb

        with self._lock:
            if self._stopped:  # DuckDB forgets an interrupt that meets no running query
                raise duckdb.InterruptException("the session was interrupted")
            cursor = self.connection.cursor()
            self._cursors.append(cursor)
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def interrupt(self) -> None:
        """Stop what runs on any cursor, and whatever would start on a further one."""
        with self._lock:
            self._stopped = True
            for each in (self.connection, *self._cursors):
                each.interrupt()
