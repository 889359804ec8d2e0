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
from typing import Final

from pyarrow import ArrowException

from inference.prediction_log.errors import PredictionLogError, SealingError
from inference.prediction_log.sealing import seal_segment

logger = logging.getLogger(__name__)

SMALL_BYTES: Final = 512 * 1024
LOOKS_PER_PERIOD: Final = 4


class BackgroundSealing:
    """A thread that seals what `due` hands over, whenever woken and a few times in `seal_seconds`."""

    def __init__(self, folder: Path, seal_seconds: float, due: Callable[[], Sequence[Path]]) -> None:
        """`due` closes and returns the segments that it is time to seal; at the end, all of them."""
        self._folder, self._seconds, self._due = folder, seal_seconds, due
        self._wake, self._closing = Event(), False
        self._thread = Thread(target=self._seal_until_closed, name="prediction-log-sealing", daemon=True)
        self.waiting: list[Path] = []
        self._errors: dict[Path, str] = {}

    @property
    def last_error(self) -> str | None:
        """Why a segment that waits could not be sealed."""
        return next(reversed(list(self._errors.values())), None)

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
            self._seal_due(in_process=False)
            self._wake.wait(timeout=self._seconds / LOOKS_PER_PERIOD)
            self._wake.clear()
        self._seal_due(in_process=True)

    def _seal_due(self, in_process: bool) -> None:
        self.waiting.extend(self._due())
        for path in list(self.waiting):
            self._seal(path, in_process)

    def _seal(self, path: Path, in_process: bool) -> None:
        try:
            if in_process or _is_small(path):
                seal_segment(path, self._folder)
            else:
                seal_apart(path, self._folder)
        except (PredictionLogError, OSError, ArrowException) as error:
            self._errors[path] = f"{path.name}: {error}"
            logger.exception("A segment stays unsealed; its rows are still read from the journal")
        else:
            self.waiting.remove(path)
            self._errors.pop(path, None)


def seal_apart(path: Path, folder: Path) -> None:
    """Seal a segment in a process of low priority, and wait for it.

    Raises:
        SealingError: it did not succeed; the segment is left where it is.
    """
    command = [sys.executable, "-m", "inference.prediction_log.sealing", str(path), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        raise SealingError(str(path), ended.stderr.strip().rpartition("\n")[2])


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size <= SMALL_BYTES
    except FileNotFoundError:
        return True  # another process has sealed it
