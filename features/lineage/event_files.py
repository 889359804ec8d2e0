"""The files of OpenLineage events: one that grows, and a few older ones; several processes write at once."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

# Beside the one that grows. With 16 MiB each, that is a month of hourly builds and materialisations (0.1 MB).
KEPT: Final = 4


def append_event(path: Path, line: bytes, most_bytes: int) -> None:
    """Append a line; a file that it would make larger than `most_bytes` is set aside first.

    Files set aside are numbered (`events.1.jsonl` is the first ever), and the oldest are deleted.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent, fcntl.LOCK_EX):
        if path.is_file() and path.stat().st_size + len(line) > most_bytes:
            _set_aside(path)
        with path.open("ab") as file:
            file.write(line)


@contextmanager
def open_event_files(path: Path) -> Iterator[Sequence[BinaryIO]]:
    """Open the files that are kept, oldest first; they stay readable whatever is set aside or deleted.

    Raises:
        FileNotFoundError: there are none.
    """
    with ExitStack() as opened:
        with _locked(path.parent, fcntl.LOCK_SH):
            kept = [*_older(path).values(), *([path] if path.is_file() else [])]
            files = [opened.enter_context(each.open("rb")) for each in kept]
        if not files:
            raise FileNotFoundError(path)
        yield files


def _set_aside(path: Path) -> None:
    older = _older(path)
    path.rename(path.with_suffix(f".{max(older, default=0) + 1}{path.suffix}"))
    for each in list(older.values())[: 1 - KEPT]:
        each.unlink()


def _older(path: Path) -> dict[int, Path]:
    """The files that were set aside, by number, oldest first."""
    found = {each.stem.rpartition(".")[2]: each for each in path.parent.glob(f"{path.stem}.*{path.suffix}")}
    return {int(number): found[number] for number in sorted(filter(str.isdecimal, found), key=int)}


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold the folder, also a read-only one: who writes alone, those who read together."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
