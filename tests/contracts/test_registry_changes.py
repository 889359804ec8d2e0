"""A registry is only asked where it may have changed: what was written, locked or replaced is noticed."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.registry_watch import RegistryChanges


def write(database: Path, value: int) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS versions (value INTEGER)")
        connection.execute("INSERT INTO versions VALUES (?)", (value,))
    connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    write(tmp_path / "registry #1.db", 1)
    return tmp_path / "registry #1.db"


@pytest.fixture
def changes(database: Path) -> Iterator[RegistryChanges]:
    watched = RegistryChanges(database)
    yield watched
    watched.close()


def test_nothing_is_known_at_first_and_nothing_changes_by_itself(changes: RegistryChanges) -> None:
    assert [changes.unchanged() for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_what_is_written_is_noticed_once(database: Path, changes: RegistryChanges, journal: str) -> None:
    sqlite3.connect(database).execute(f"PRAGMA journal_mode = {journal}")
    changes.unchanged()

    write(database, 2)

    assert [changes.unchanged() for _ in range(2)] == [False, True]


def test_a_locked_one_may_have_changed(database: Path, changes: RegistryChanges) -> None:
    changes.unchanged()
    with sqlite3.connect(database, isolation_level=None) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert not changes.unchanged()
        assert not changes.unchanged()
        writer.execute("COMMIT")

    assert [changes.unchanged() for _ in range(2)] == [False, True]


def test_one_that_was_replaced_is_another(tmp_path: Path, database: Path, changes: RegistryChanges) -> None:
    changes.unchanged()
    write(tmp_path / "new.db", 1)

    database.unlink()
    missing = changes.unchanged()
    (tmp_path / "new.db").rename(database)

    assert [missing, changes.unchanged(), changes.unchanged()] == [False, False, True]


def test_a_missing_one_is_not_made(tmp_path: Path) -> None:
    changes = RegistryChanges(tmp_path / "missing.db")

    assert not changes.unchanged()
    assert not (tmp_path / "missing.db").exists()


def test_a_server_is_always_asked() -> None:
    changes = RegistryChanges(None)

    assert [changes.unchanged() for _ in range(2)] == [False, False]
