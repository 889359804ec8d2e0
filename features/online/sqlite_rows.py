"""The online store in a SQLite file: many readers beside one writer, no server."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from features.errors import OnlineStoreError
from features.offline.parquet_sql import quote
from features.online.database import FoundRows, KeyBytes, NewRow, StoredRow
from features.settings import REPOSITORY

WRITER_WAIT_SECONDS = 10.0
READER_WAIT_SECONDS = 0.25
KEYS_PER_QUERY = (1, 8, 64, 512)

# With WAL a writer never blocks readers, and synchronous=NORMAL cannot corrupt the file: a power cut may only
# lose the last commits, which the next materialisation writes again. A commit costs no disk flush.
WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 4000",
)
READER_PRAGMAS = ("PRAGMA query_only = 1", "PRAGMA mmap_size = 268435456")


class SqliteRows:
    """The `RowDatabase` of one file: each thread reads with a connection of its own, writers take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = RowReader(path, READER_WAIT_SECONDS)
        self._hasty_reader = RowReader(path, wait=0)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def fetch(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows:
        """Read in one transaction, with one query per table for up to 512 keys."""
        return self._reader.fetch(wanted)

    def fetch_at_once(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows | None:
        """Read the same unless the file is locked, which with WAL no writer of ours does."""
        try:
            return self._hasty_reader.fetch(wanted)
        except OnlineStoreError as error:
            if _is_lock(error.__cause__):
                return None
            raise

    def upsert(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write in one transaction."""
        with self._writing() as connection:
            upsert_rows(connection, rows)

    def lay_out(self, tables: Sequence[str]) -> None:
        """Create file and tables."""
        with self._writing() as connection:
            for table in tables:
                create_table(connection, table)

    def drop(self, tables: Sequence[str]) -> None:
        """Drop the tables."""
        with self._writing() as connection:
            for table in tables:
                connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")

    def clear(self, tables: Sequence[str]) -> None:
        """Empty the tables in one transaction."""
        with self._writing() as connection, transaction(connection):
            for table in tables:
                connection.execute(f"DELETE FROM {quote(table)}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self._path):
            if self._connection is None:
                self._connection = connect_writer(self._path)
            yield self._connection


class RowReader:
    """Reads rows from any thread, each with its own read-only connection; notices a replaced file."""

    def __init__(self, path: Path, wait: float = READER_WAIT_SECONDS) -> None:
        self._path, self._wait = path, wait
        self._local = threading.local()

    def fetch(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows:
        """Return, per table, the stored rows of the wanted keys, all from one moment of the database.

        Raises:
            OnlineStoreError: the file is absent, locked, not laid out, or not a database.
        """
        with explained(self._path):
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return {table: select_rows(connection, table, keys) for table, keys in wanted.items()}
            finally:
                connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        found = self._path.stat()
        identity = (found.st_dev, found.st_ino)
        if getattr(self._local, "identity", None) != identity:
            self._local.connection = _connect_reader(self._path, self._wait)
            self._local.identity = identity
        connection: sqlite3.Connection = self._local.connection
        return connection


def sqlite_path(address: str) -> Path:
    """Return the file of a `sqlite:///` address; a relative one is taken from the repository's root."""
    return (REPOSITORY / Path(address.removeprefix("sqlite:///")).expanduser()).resolve()


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the file to write, creating it and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with explained(path):
        connection = sqlite3.connect(
            path, timeout=WRITER_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        for pragma in WRITER_PRAGMAS:
            connection.execute(pragma)
    return connection


def create_table(connection: sqlite3.Connection, table: str) -> None:
    """Create a view's table if it is not there."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {quote(table)} (entity_key BLOB PRIMARY KEY, event_us INTEGER NOT NULL, "
        "created_us INTEGER, features BLOB NOT NULL) WITHOUT ROWID"
    )


def upsert_rows(connection: sqlite3.Connection, rows: Mapping[str, Sequence[NewRow]]) -> None:
    """Write rows of several tables in one transaction; see `RowDatabase.upsert`."""
    with transaction(connection):
        for table, new in rows.items():
            connection.executemany(_upsert(table), new)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def select_rows(
    connection: sqlite3.Connection, table: str, keys: Sequence[KeyBytes]
) -> dict[KeyBytes, StoredRow]:
    """Return the stored rows of the keys, a few hundred keys per query."""
    rows: dict[KeyBytes, StoredRow] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY[-1]):
        chunk = list(keys[start : start + KEYS_PER_QUERY[-1]])
        size = next(size for size in KEYS_PER_QUERY if size >= len(chunk))
        # Few distinct statements, so that they stay prepared.
        padded = chunk + chunk[-1:] * (size - len(chunk))
        for key, event_us, features in connection.execute(_select(table, size), padded):
            rows[key] = (event_us, features)
    return rows


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into one that says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise OnlineStoreError(f"online store {path}: {error}; {_advice(error)}") from error


def _advice(error: Exception) -> str:
    message = str(error)
    if _is_lock(error):
        return "another process holds it; end that process, or wait for its transaction"
    if "not a database" in message or "malformed" in message:
        return "the file is damaged; delete it, then run `python -m features apply` and `materialize`"
    return "lay it out with `python -m features apply`, fill it with `python -m features materialize`"


def _is_lock(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def _connect_reader(path: Path, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=wait, isolation_level=None)
    for pragma in READER_PRAGMAS:
        connection.execute(pragma)
    return connection


def _select(table: str, size: int) -> str:
    holes = ", ".join("?" * size)
    return f"SELECT entity_key, event_us, features FROM {quote(table)} WHERE entity_key IN ({holes})"


def _upsert(table: str) -> str:
    return (
        f"INSERT INTO {quote(table)} VALUES (?, ?, ?, ?) ON CONFLICT (entity_key) DO UPDATE SET "
        "event_us = excluded.event_us, created_us = excluded.created_us, features = excluded.features "
        "WHERE excluded.event_us > event_us OR (excluded.event_us = event_us "
        "AND coalesce(excluded.created_us, -1) >= coalesce(created_us, -1))"
    )
