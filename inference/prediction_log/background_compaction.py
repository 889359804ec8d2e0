"""Seals closed segments beside the service: small ones in a thread, large ones in a process of their own.

Sealing a large one takes a second of Python, in which a thread would make every request wait for its turn.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Final

from inference.prediction_log.compaction import seal_segment
from inference.prediction_log.errors import CompactionError

logger = logging.getLogger(__name__)

SMALL_BYTES: Final = 512 * 1024
LOOKS_PER_PERIOD: Final = 4
# Starting a process costs as much as sealing some ten thousand lines.
APART_SECONDS: Final = 5.0


class BackgroundCompaction:
    """A thread that seals what `due` hands over, whenever woken and a few times in `seal_seconds`."""

    def __init__(self, folder: Path, seal_seconds: float, due: Callable[[], Sequence[Path]]) -> None:
        """`due` closes and returns the segments that it is time to seal; at the end, all of them."""
        self._folder, self._seconds, self._due = folder, seal_seconds, due
        self._wake, self._closing = Event(), False
        self._thread = Thread(target=self._seal_until_closed, name="prediction-log-sealing", daemon=True)
        self._apart_at = 0.0
        self.waiting: list[Path] = []
        self._errors: dict[Path, str] = {}
        self._trouble: str | None = None
        self.failures = 0

    @property
    def last_error(self) -> str | None:
        """Why a segment that waits could not be sealed, or none can be just now."""
        return self._trouble or next(reversed(list(self._errors.values())), None)

    def start(self, abandoned: Sequence[Path]) -> None:
        """Begin, with the segments that dead processes left."""
        self.waiting.extend(abandoned)
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def close(self) -> None:
        """Seal everything in this process, then stop."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _seal_until_closed(self) -> None:
        while not self._closing:
            self._survive(self._seal_due)
            period = self._seconds / LOOKS_PER_PERIOD
            self._wake.wait(timeout=min(period, APART_SECONDS) if self.waiting else period)
            self._wake.clear()
        self._survive(self._seal_all)

    def _survive(self, step: Callable[[], None]) -> None:
        """Take a step; whatever nobody expected of it is counted and said, and the next one is taken."""
        try:
            step()
        except Exception as error:
            self.failures += 1
            trouble = f"sealing fails and goes on: {type(error).__name__}: {error}"
            if trouble != self._trouble:
                logger.exception("%s", trouble)
            self._trouble = trouble
        else:
            self._trouble = None

    def _seal_all(self) -> None:
        self.waiting.extend(self._due())
        self._seal_here(self.waiting)

    def _seal_due(self) -> None:
        self.waiting.extend(self._due())
        self._seal_here([path for path in self.waiting if _is_small(path)])
        large = [path for path in self.waiting if not _is_small(path)]
        if large and monotonic() >= self._apart_at:
            self._seal_apart(large)
            self._apart_at = monotonic() + APART_SECONDS

    def _seal_here(self, paths: Sequence[Path]) -> None:
        for path in list(paths):
            try:
                seal_segment(path, self._folder)
            except Exception as error:  # whatever it is, the others are sealed
                self._failed(path, error)
            else:
                self._sealed(path)

    def _seal_apart(self, paths: Sequence[Path]) -> None:
        said = seal_apart(paths, self._folder)
        for path in list(paths):
            if path.exists():
                self._failed(path, CompactionError(str(path), said))
            else:
                self._sealed(path)

    def _sealed(self, path: Path) -> None:
        self.waiting.remove(path)
        self._errors.pop(path, None)

    def _failed(self, path: Path, error: Exception) -> None:
        self.failures += 1
        text = f"{path.name}: {error}"
        if self._errors.get(path) != text:
            logger.error("A segment stays unsealed; its rows are still read from the journal. %s", text)
        self._errors[path] = text


def seal_apart(paths: Sequence[Path], folder: Path) -> str:
    """Seal segments in a process of low priority and wait for it; its last words. What fails stays there."""
    command = [
        sys.executable,
        "-m",
        "inference.prediction_log.compaction_process",
        str(folder),
        *map(str, paths),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    return ended.stderr.strip().rpartition("\n")[2] or f"ended with status {ended.returncode}"


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size <= SMALL_BYTES
    except OSError:
        return True  # another process has sealed it, or its folder is away, as sealing will say
