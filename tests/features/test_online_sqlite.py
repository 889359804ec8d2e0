"""The SQLite file: many readers beside one writer, a file that is replaced, damaged or locked."""

import sqlite3
from pathlib import Path

import pytest

from features.errors import OnlineStoreError
from features.online.sqlite_rows import RowReader, SqliteRows, connect_writer, create_table, upsert_rows
from tests.forked import fork_off


def test_a_reader_follows_a_replaced_file_and_names_what_is_wrong(tmp_path: Path) -> None:
    # given
    path = tmp_path / "online.db"
    reader = RowReader(path)
    with pytest.raises(OnlineStoreError, match="features apply"):
        reader.fetch({"t": [b"k"]})
    # when: it is there, then replaced, then damaged
    for event in (1, 2):
        path.unlink(missing_ok=True)
        fill(path, event)
        assert reader.fetch({"t": [b"k"]}) == {"t": {b"k": (event, b"row")}}
    path.unlink()
    path.write_bytes(b"this is no database at all" * 100)
    # then
    with pytest.raises(OnlineStoreError, match="delete it"):
        reader.fetch({"t": [b"k"]})


def fill(path: Path, event: int) -> None:
    connection = connect_writer(path)
    create_table(connection, "t")
    upsert_rows(connection, {"t": [(b"k", event, None, b"row")]})
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_a_locked_file_is_named_as_such(tmp_path: Path) -> None:
    # given: another connection holds it alone
    path = tmp_path / "online.db"
    fill(path, 1)
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    # then
    with pytest.raises(OnlineStoreError, match="another process"):
        RowReader(path).fetch({"t": [b"k"]})
    assert SqliteRows(path).fetch_at_once({"t": [b"k"]}) is None
    holder.close()
    assert SqliteRows(path).fetch_at_once({"t": [b"k"]}) == {"t": {b"k": (1, b"row")}}


def write_in_step(path: Path, steps: int) -> None:
    connection = connect_writer(path)
    for step in range(1, steps + 1):
        upsert_rows(connection, {table: [(b"k", step, None, b"")] for table in ("a", "b")})


def test_readers_see_whole_transactions_while_another_process_writes(tmp_path: Path) -> None:
    # given: a process that moves two tables forward together
    path = tmp_path / "online.db"
    connection = connect_writer(path)
    for table in ("a", "b"):
        create_table(connection, table)
    upsert_rows(connection, {table: [(b"k", 0, None, b"")] for table in ("a", "b")})
    writer = fork_off(write_in_step, path, 300)
    # when
    reader, seen = RowReader(path), set()
    while writer.is_alive():
        found = reader.fetch({"a": [b"k"], "b": [b"k"]})
        assert found["a"] == found["b"]
        seen.add(found["a"][b"k"][0])
    writer.join()
    # then
    assert writer.exitcode == 0
    assert len(seen) > 1
    assert reader.fetch({"a": [b"k"]})["a"][b"k"][0] == 300
