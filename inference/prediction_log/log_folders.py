"""Where lines go: into the log's own journal or, while that cannot be written, into one on another disk."""

import logging
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from inference.prediction_log.errors import LogWriteError
from inference.prediction_log.open_segments import OpenSegments
from inference.prediction_log.segment import Layout, LoggedPrediction, Unsynced

logger = logging.getLogger(__name__)

# A place that failed is left alone for so long, so that an outage does not add a failed write to every batch.
RETRY_SECONDS: Final = 1.0


class LogFolder:
    """One folder's open segments, and whether it can be written. Its owner holds a lock."""

    def __init__(self, folder: Path, synced: bool) -> None:
        self.folder, self.segments = folder, OpenSegments(folder, synced)
        self.trouble: str | None = None
        self._retry_at = 0.0

    def try_append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> bool:
        """Write the lines; whether they are written."""
        if self.trouble is not None and monotonic() < self._retry_at:
            return False
        try:
            self._append_anew(entries, layout)
        except (LogWriteError, OSError) as error:
            self._failed(str(error))
            return False
        if self.trouble is not None:
            self.trouble = None
            logger.warning("%s can be written again", self.folder)
        return True

    def _append_anew(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        """Append, in another segment if the open one fails: what is wrong may be wrong with that alone."""
        try:
            self.segments.append(entries, layout)
        except (LogWriteError, OSError):
            if self.trouble is not None:
                raise
            self.segments.append(entries, layout)

    def sync_failed(self, error: Exception) -> None:
        """Go on in other segments: what a failed sync leaves in a file nobody can know."""
        self.segments.close_all()
        self._failed(f"it cannot be synced: {error}")

    def _failed(self, trouble: str) -> None:
        if self.trouble is None:
            logger.warning("The prediction log cannot be written: %s", trouble)
        self.trouble, self._retry_at = trouble, monotonic() + RETRY_SECONDS


class LogFolders:
    """Appends each batch to the first place that takes it. Its owner holds a lock."""

    def __init__(self, folders: Sequence[Path], synced: bool = False) -> None:
        """`folders`: the log's own first; `synced`: `take_unsynced` is called."""
        self._places = [LogFolder(folder, synced) for folder in folders]
        self._recovered = False

    @property
    def trouble(self) -> str | None:
        """Why the log's own folder cannot be written just now, and what that means."""
        first, *others = self._places
        if first.trouble is None:
            return None
        stands_in = next((place.folder for place in others if place.trouble is None), None)
        told = f"lines go to {stands_in} meanwhile" if stands_in else "nothing is answered meanwhile"
        return f"the prediction log is away, {told}: {first.trouble}"

    @property
    def rows(self) -> int:
        """The lines of the longest segment."""
        return max(place.segments.rows for place in self._places)

    @property
    def since(self) -> float | None:
        """When the oldest segment was opened (`monotonic()`); `None` if none is open."""
        opened = [place.segments.since for place in self._places]
        return min((moment for moment in opened if moment is not None), default=None)

    def append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        """Write the lines.

        Raises:
            LogWriteError: no place takes them.
        """
        first = self._places[0]
        was_away = first.trouble is not None
        if not any(place.try_append(entries, layout) for place in self._places):
            raise LogWriteError(str(first.folder), str(first.trouble))
        self._recovered |= was_away and first.trouble is None

    def take_unsynced(self) -> list[tuple[LogFolder, Unsynced]]:
        """What was written since the last time, and where."""
        return [(place, unsynced) for place in self._places for unsynced in place.segments.take_unsynced()]

    def close_all(self) -> None:
        """Close the open segments."""
        for place in self._places:
            place.segments.close_all()

    def take_closed(self) -> list[Path]:
        """The segments that were closed since the last time."""
        return [path for place in self._places for path in place.segments.take_closed()]

    def take_recovered(self) -> bool:
        """Whether the log's own folder has come back since the last time."""
        recovered, self._recovered = self._recovered, False
        return recovered
