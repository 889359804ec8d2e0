"""Where workers keep their figures, so that whichever is asked for `/metrics` answers for all.

prometheus_client's own way, files mapped into memory, but by place instead of by process: the worker that
takes a dead one's place counts on from where that stopped, and the files do not grow in number.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final
from uuid import uuid4

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
LOCK: Final = "supervisor.lock"


class FiguresFolder:
    """A folder of one run of the service; those of runs that were killed are removed on the way."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        for former in parent.iterdir():
            _remove_if_abandoned(former)
        self.path = parent / uuid4().hex[:12]
        self.path.mkdir()
        self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def leave(self, place: int) -> None:
        """Forget what only a living worker has: its counts stay, gauges of the moment go."""
        mark_process_dead(place, str(self.path))  # type: ignore[no-untyped-call]

    def remove(self) -> None:
        """Remove the folder; the run has ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def count_in(folder: Path, place: int) -> None:
    """Keep this process' figures in the folder, under a place that no other living process has.

    Call it in a worker, before its first metric is made.
    """
    os.environ[FOLDER_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a former run's folder unless its supervisor lives; its workers may count on for a moment."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
