"""Whether a registry was written since the last look: SQLite knows at once, MLflow takes milliseconds."""

import sqlite3
from pathlib import Path


class RegistryChanges:
    """Watches the SQLite file behind a registry; of a server (`None`) only asking tells. Not for two threads.

    It is SQLite's `PRAGMA data_version`: another number whenever another connection has committed.
    """

    def __init__(self, database: Path | None) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int, int, int] | None = None

    def unchanged(self) -> bool:
        """Whether it is surely as it was when this was asked last; a locked or missing one may not be."""
        if self._database is None:
            return False
        before = self._seen
        try:
            self._seen = self._version(self._database)
        except (OSError, sqlite3.Error):
            self.close()
        return self._seen is not None and self._seen == before

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None

    def _version(self, database: Path) -> tuple[int, int, int]:
        found = database.stat()
        if self._seen is None or self._seen[:2] != (found.st_dev, found.st_ino):  # deleted and made anew
            self.close()
        if self._connection is None:
            self._connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0)
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return found.st_dev, found.st_ino, version
