"""The segments that one process writes just now: one for each layout, since models may serve together."""

from collections.abc import Sequence
from pathlib import Path

from inference.prediction_log.errors import LogWriteError
from inference.prediction_log.segment import Layout, LoggedPrediction, Segment, Unsynced


class OpenSegments:
    """Appends each batch to its layout's segment. Its owner holds a lock."""

    def __init__(self, folder: Path, synced: bool = False) -> None:
        """`synced`: what is written is kept for `take_unsynced`, also of segments that are closed."""
        self._folder, self._synced = folder, synced
        self._unsynced: list[Unsynced] = []
        self._open: list[Segment] = []
        self._closed: list[Path] = []

    @property
    def rows(self) -> int:
        """The lines of the longest segment."""
        return max((segment.rows for segment in self._open), default=0)

    @property
    def since(self) -> float | None:
        """When the oldest segment was opened (`monotonic()`); `None` if none is open."""
        return min((segment.opened_at for segment in self._open), default=None)

    def append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        """Write the lines.

        Raises:
            LogWriteError, OSError: they could not be written; the segment is closed, so that whatever is torn
                stays its last line, which readers leave out.
        """
        segment = self._segment(layout)
        try:
            segment.append(entries)
        except (LogWriteError, OSError):
            self._close(segment)
            raise

    def close_all(self) -> None:
        """Close the open segments."""
        for segment in list(self._open):
            self._close(segment)

    def take_closed(self) -> list[Path]:
        """The segments that were closed since the last time."""
        closed, self._closed = self._closed, []
        return closed

    def take_unsynced(self) -> list[Unsynced]:
        """What was written since the last time."""
        self._unsynced += [segment.take_unsynced() for segment in self._open if segment.is_unsynced]
        taken, self._unsynced = self._unsynced, []
        return taken

    def _segment(self, layout: Layout) -> Segment:
        for segment in list(self._open):
            if segment.layout == layout:
                if not segment.is_removed:
                    return segment
                self._close(segment)
        self._open.append(Segment.create(self._folder, layout))
        return self._open[-1]

    def _close(self, segment: Segment) -> None:
        if self._synced and segment.is_unsynced:
            self._unsynced.append(segment.take_unsynced())
        segment.close()
        self._open.remove(segment)
        self._closed.append(segment.path)
