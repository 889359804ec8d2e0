"""Writing the prediction log: journal before the answer, seal in the background, log a retry once."""

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic

from msgspec.structs import replace

from inference.prediction_log.answered import AnsweredRequests, Identity, identity_of, is_same_request
from inference.prediction_log.background_sealing import BackgroundSealing
from inference.prediction_log.errors import PredictionLogError, RequestIdReusedError
from inference.prediction_log.journal import (
    JOURNAL,
    Layout,
    LoggedPrediction,
    is_abandoned,
    read_segment,
    segments,
)
from inference.prediction_log.journal_places import JournalPlaces
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.retention import expire, retained

logger = logging.getLogger(__name__)


class PredictionLog:
    """The log of one serving process. `append` returns only when the lines would survive the process's death.

    A segment is sealed after `seal_rows` lines or `seal_seconds`. The last `remember` requests are known;
    after a restart, those of the last day. With `pseudonyms`, personal fields and callers are kept under
    those only, here and on disk. While the folder cannot be written, lines go to the `fallback` folder's
    journal, if there is one: they are in the log once they are sealed into it.
    """

    def __init__(
        self,
        folder: Path,
        seal_rows: int,
        seal_seconds: float,
        remember: int,
        pseudonyms: Pseudonyms | None = None,
        fallback: Path | None = None,
    ) -> None:
        self._folders = [folder] if fallback is None else [folder, fallback]
        self._folder, self._seal_rows, self._seal_seconds = folder, seal_rows, seal_seconds
        self._lock, self._closing = Lock(), False
        self._segments = JournalPlaces(self._folders)
        self._answered, self._remember = AnsweredRequests(remember), remember
        self._pseudonyms = pseudonyms
        self._sealing = BackgroundSealing(folder, seal_seconds, self._close_due)
        self.lines = 0
        self._sealing.start(self._adopt_abandoned())

    @property
    def unsealed_segments(self) -> int:
        """Segments that are closed and wait to be sealed."""
        return len(self._sealing.waiting)

    @property
    def last_error(self) -> str | None:
        """Why lines cannot be written where they belong, or a segment cannot be sealed just now."""
        return self._segments.trouble or self._sealing.last_error

    def append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> Sequence[LoggedPrediction]:
        """Log the entries that are no retries and return the line that stands for each.

        A retry is the same caller's request id asked of the same model version: the first line stands. Once a
        new version has taken over, a retry is logged as its own answer too; readers count the first.

        Raises:
            RequestIdReusedError: an id was answered for another request; nothing is written.
            LogWriteError: the lines could not be written, so none of them may be answered.
        """
        entries = self._concealed(entries)
        with self._lock:
            if self._answered.are_new(entries):
                self._log_new(entries, layout)
            else:
                standing = self._standing(entries, layout)
                fresh = [line for line in standing.values() if self._answered.recall(line) is not line]
                if fresh:
                    self._log_new(fresh, layout)
                entries = [standing[identity_of(entry)] for entry in entries]
        if self._segments.rows >= self._seal_rows:
            self._sealing.wake()
        return entries

    def append_shadows(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        """Log what was scored unseen. What was scored twice is there twice; readers count the first.

        Raises:
            LogWriteError: the lines could not be written.
        """
        concealed = self._concealed(entries)
        with self._lock:
            self._write(concealed, layout)

    def close(self) -> None:
        """Seal what is open and stop; the log is whole without this too, only unsealed."""
        self._closing = True
        self._sealing.close()

    def _log_new(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        self._write(entries, layout)
        self._answered.remember(entries, layout)

    def _write(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        self._segments.append(entries, layout)
        self.lines += len(entries)

    def _concealed(self, entries: Sequence[LoggedPrediction]) -> Sequence[LoggedPrediction]:
        """What may be kept of the entries: the pseudonyms of personal fields and callers."""
        names = self._pseudonyms
        if names is None:
            return entries
        return [
            replace(entry, keys=names.conceal(entry.keys), caller=names.of_caller(entry.caller))
            for entry in entries
        ]

    def _standing(
        self, entries: Sequence[LoggedPrediction], layout: Layout
    ) -> dict[Identity, LoggedPrediction]:
        """The line of each request: the remembered one, or the first of the entries."""
        standing: dict[Identity, LoggedPrediction] = {}
        for entry in entries:
            known = self._answered.recall(entry)
            first = standing.setdefault(identity_of(entry), known or entry)
            is_same = known is not None or is_same_request((first, layout), (entry, layout))
            if not is_same or self._answered.was_another(entry, layout):
                raise RequestIdReusedError((entry.request_id,))
        return standing

    def _close_due(self) -> list[Path]:
        """Close the segments if it is time to, for them to be sealed."""
        expire(self._folders, self._remember)
        with self._lock:
            since = self._segments.since
            old = since is not None and monotonic() - since >= self._seal_seconds
            if old or self._closing or self._segments.rows >= self._seal_rows:
                self._segments.close_all()
            closed, recovered = self._segments.take_closed(), self._segments.take_recovered()
        return closed + self._forgotten(closed) if recovered else closed

    def _forgotten(self, closed: Sequence[Path]) -> list[Path]:
        """Segments that were taken for sealed while their folder was away."""
        known = {*closed, *self._sealing.waiting}
        return [path for path in self._abandoned() if path not in known]

    def _adopt_abandoned(self) -> list[Path]:
        """Take over the segments of dead processes, and remember what they and the sealed ones answered."""
        abandoned = self._abandoned()
        expire(self._folders, self._remember)
        for path in [*retained(self._folders), *abandoned]:
            self._remember_segment(path)
        for draft in (draft for folder in self._folders for draft in (folder / JOURNAL).glob("*.draft")):
            if is_abandoned(draft):
                draft.unlink(missing_ok=True)
        return abandoned

    def _abandoned(self) -> list[Path]:
        return [path for folder in self._folders for path in segments(folder) if is_abandoned(path)]

    def _remember_segment(self, path: Path) -> None:
        try:
            layout, entries = read_segment(path)
        except (PredictionLogError, FileNotFoundError) as error:
            logger.warning("What was answered before is not remembered: %s", error)
            return
        self._answered.remember([entry for entry in entries if entry.role != "shadow"], layout)
