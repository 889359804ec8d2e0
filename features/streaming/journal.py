"""The journal of accepted events: on disk before anything is acknowledged, read again on start."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from features.errors import EventJournalError
from features.timestamps import from_microseconds, to_microseconds

WAIT_SECONDS: Final = 2.0
READ_AT_ONCE: Final = 5_000
FORGOTTEN: Final = ""
# FULL: a commit is on the disk when it returns. EXCLUSIVE: one consumer at a time, until its process ends.
PRAGMAS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
)
LAYOUT: Final = (
    "CREATE TABLE IF NOT EXISTS entries "
    "(place INTEGER PRIMARY KEY, event_id TEXT UNIQUE, content TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, place INTEGER NOT NULL)",
)


@dataclass(frozen=True)
class Entry:
    """An accepted event or, without an id, a moment that the clock was advanced to."""

    place: int
    event_id: str | None
    content: str

    @property
    def moment(self) -> datetime:
        """The moment of an entry that is not an event."""
        return from_microseconds(int(self.content))


class EventJournal:
    """One SQLite file that one process holds at a time.

    Raises:
        EventJournalError: another process holds it, or it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            for statement in (*PRAGMAS, "BEGIN IMMEDIATE", *LAYOUT, "COMMIT"):
                self._connection.execute(statement)

    def read_known(self, event_ids: Sequence[str]) -> dict[str, str]:
        """Return what those events said that were accepted before, `FORGOTTEN` where it no longer matters."""
        query = "SELECT content FROM entries WHERE event_id = ?"
        with self._explained():
            found = {name: self._connection.execute(query, (name,)).fetchone() for name in event_ids}
        return {name: row[0] for name, row in found.items() if row}

    def append(self, events: Sequence[tuple[str, str]]) -> None:
        """Append events (id, content) together; they are on the disk when this returns."""
        with self._transaction():
            self._connection.executemany("INSERT INTO entries (event_id, content) VALUES (?, ?)", events)

    def append_advance(self, moment: datetime) -> int:
        """Append that the clock was advanced; return the entry's place."""
        content = str(to_microseconds(moment))
        with self._transaction():
            done = self._connection.execute("INSERT INTO entries (content) VALUES (?)", (content,))
        return done.lastrowid or 0

    def read(self) -> Iterator[Entry]:
        """Return every entry in order, but for what is forgotten."""
        place = 0
        query = (
            "SELECT place, event_id, content FROM entries WHERE place > ? AND content <> ? "
            "ORDER BY place LIMIT ?"
        )
        while True:
            with self._explained():
                rows = self._connection.execute(query, (place, FORGOTTEN, READ_AT_ONCE)).fetchall()
            if not rows:
                return
            yield from (Entry(*row) for row in rows)
            place = rows[-1][0]

    def forget(self, events: Sequence[int], before: datetime) -> None:
        """Forget what the events at some places said, but not their ids; delete the moments before one."""
        forgetting = f"UPDATE entries SET content = '{FORGOTTEN}' WHERE place = ?"
        moments = "DELETE FROM entries WHERE event_id IS NULL AND CAST(content AS INTEGER) < ?"
        with self._transaction():
            self._connection.executemany(forgetting, [(place,) for place in events])
            self._connection.execute(moments, (to_microseconds(before),))

    def mark(self, name: str, place: int) -> None:
        """Remember a place under a name."""
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, place))

    def read_mark(self, name: str) -> int:
        """Return the place remembered under a name; 0 if there is none."""
        with self._explained():
            row = self._connection.execute("SELECT place FROM marks WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        """Let another process have it."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            held = "another process takes events in; send them to it" if "locked" in str(error) else ""
            advice = held or "see that the disk has room and the file is whole"
            raise EventJournalError(f"event journal {self._path}: {error}; {advice}") from error
