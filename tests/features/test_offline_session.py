"""A retrieval's threads end together: at its timeout, when one fails, and at once for what comes later."""

from contextlib import suppress
from pathlib import Path
from threading import Thread, Timer

import duckdb
import pytest

from features.errors import RetrievalStoppedError
from features.offline.asof_sql import connect_utc
from features.offline.engine import Engine
from features.offline.session import Session

ENDLESS = "SELECT sum(a.range + b.range) FROM range(100000000) a, range(100000000) b"


def ask_in_threads(session: Session) -> None:
    """Two threads that ask for what never ends, then a third query."""
    threads = [Thread(target=ask_endlessly, args=(session,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    ask_endlessly(session, stopped=False)


def ask_endlessly(session: Session, stopped: bool = True) -> None:
    with suppress(*[duckdb.InterruptException] * stopped), session.cursor() as cursor:
        cursor.execute(ENDLESS)


def test_a_timeout_stops_every_thread_and_what_would_start_later(tmp_path: Path) -> None:
    engine = Engine(spill=tmp_path)
    with pytest.raises(RetrievalStoppedError, match="timeout"), engine.open(timeout=1) as session:
        ask_in_threads(session)


def test_a_closed_cursor_hinders_no_interrupt() -> None:
    with connect_utc() as connection:
        session = Session(connection)
        with session.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE asked AS SELECT 1")
        stop = Timer(0.2, session.interrupt)
        stop.start()
        with pytest.raises(duckdb.InterruptException), session.cursor() as other:
            other.execute(ENDLESS)
        stop.join()


def test_a_cursor_takes_naive_times_as_utc() -> None:
    with connect_utc() as connection, Session(connection).cursor() as cursor:
        assert cursor.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
