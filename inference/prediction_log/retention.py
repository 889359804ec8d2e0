"""Sealed segments are retained a while, so that a restart still knows which request ids were answered.

Readers look at the sealed files alone; what is retained is read only when a process starts.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from inference.prediction_log.schema import RETRY_WINDOW
from inference.prediction_log.segment import JOURNAL, NAME_TIME

RETAINED: Final = ".sealed"


def retain(segment: Path, rows: int) -> None:
    """Keep a sealed segment, under a name that says how many lines it holds; another process may have."""
    with suppress(FileNotFoundError):
        segment.rename(segment.with_name(f"{segment.stem}.{rows}{RETAINED}"))


def retained(folders: Sequence[Path]) -> list[Path]:
    """The retained segments, oldest first."""
    found = [path for folder in folders for path in (folder / JOURNAL).glob(f"*.*{RETAINED}")]
    return sorted(found, key=lambda path: path.name)


def expire(folders: Sequence[Path], rows: int) -> None:
    """Delete what is older than `RETRY_WINDOW`, and what the newest `rows` lines do not need."""
    oldest, kept = format(datetime.now(UTC) - RETRY_WINDOW, NAME_TIME), 0
    for path in reversed(retained(folders)):
        if kept >= rows or path.name < oldest:
            path.unlink(missing_ok=True)
        else:
            kept += _rows(path)


def _rows(path: Path) -> int:
    return int(path.name.split(".")[-2])
