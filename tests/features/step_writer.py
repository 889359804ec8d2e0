"""A writer for another process: moves two tables forward together; imports little, so it starts at once."""

from pathlib import Path

from features.online.sqlite_rows import connect_writer, upsert_rows


def write_in_step(path: Path, steps: int) -> None:
    connection = connect_writer(path)
    for step in range(1, steps + 1):
        upsert_rows(connection, {table: [(b"k", step, None, b"")] for table in ("a", "b")})
