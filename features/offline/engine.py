"""DuckDB as the offline store runs it: in memory, within a limit, spilling to a folder of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from threading import Timer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from features.errors import RetrievalStoppedError
from features.offline.asof_sql import connect_utc
from features.offline.files import register_filesystem
from features.offline.session import Session

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_MEMORY_LIMIT = "4GB"
DEFAULT_SLICE_ROWS = 1_000_000
# A source may take the memory of a slice with so many columns, which is 0.5 GiB by default.
HELD_COLUMNS = 64


@dataclass(frozen=True)
class Engine:
    """What one retrieval may use. `spill`: where its own folder is made if memory runs short.

    `slice_rows`: how many entity rows are joined, and held with their features, at a time.
    """

    memory_limit: str = DEFAULT_MEMORY_LIMIT
    threads: int | None = None
    spill: Path | None = None
    slice_rows: int = DEFAULT_SLICE_ROWS

    @property
    def held_cells(self) -> int:
        """How many values of one source are held outside DuckDB; it joins larger ones itself."""
        return self.slice_rows * HELD_COLUMNS

    @contextmanager
    def connect(
        self, filesystems: Sequence[Any] = (), timeout: int | None = None
    ) -> Iterator["DuckDBPyConnection"]:
        """Open a database that is gone afterwards, with what it has spilled.

        Raises:
            RetrievalStoppedError: a query on it ran out of memory, past `timeout` seconds from here, or met
                a file that cannot be read.
        """
        with self.open(filesystems, timeout) as session:
            yield session.connection

    @contextmanager
    def open(self, filesystems: Sequence[Any] = (), timeout: int | None = None) -> Iterator[Session]:
        """As `connect`, for several threads.

        Raises:
            RetrievalStoppedError: as `connect`.
        """
        import duckdb

        with connect_utc() as connection:
            self._limit(connection)
            for filesystem in filesystems:
                register_filesystem(connection, filesystem)
            session = Session(connection)
            try:
                with _interrupted(session, timeout):
                    yield session
            except duckdb.Error as error:
                raise RetrievalStoppedError(_explain(error, self)) from error

    def _limit(self, connection: "DuckDBPyConnection") -> None:
        folder = (self.spill or Path(gettempdir())) / f"duckdb-{uuid4().hex}"
        with suppress(OSError):  # where nothing may be written, only what would spill fails
            folder.parent.mkdir(parents=True, exist_ok=True)
        text = str(folder).replace("'", "''")
        connection.execute(f"SET memory_limit = '{self.memory_limit}'")
        connection.execute(f"SET temp_directory = '{text}'")
        if self.threads:
            connection.execute(f"SET threads = {self.threads}")


@contextmanager
def _interrupted(session: Session, seconds: int | None) -> Iterator[None]:
    """Interrupt what the session runs after so many seconds."""
    if seconds is None:
        yield
        return
    timer = Timer(seconds, session.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _explain(error: Exception, engine: Engine) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"out of memory at {engine.memory_limit}; raise `memory_limit` or lower `slice_rows` under "
            f"`offline_store:` in feature_store.yaml: {error}"
        )
    if isinstance(error, duckdb.InterruptException):
        return "the retrieval took longer than its timeout; give it more time or fewer entity rows"
    return f"DuckDB could not finish; if it names a table's file, build that table again: {error}"
