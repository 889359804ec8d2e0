"""Writing the prediction log: journal before the answer, seal in the background, log a retry once."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Literal

from msgspec.structs import replace

from inference.prediction_log.background_compaction import BackgroundCompaction
from inference.prediction_log.errors import (
    LogWriteError,
    PredictionLogError,
    RequestIdReusedError,
    TornSegmentError,
)
from inference.prediction_log.group_commit import GroupCommit
from inference.prediction_log.idempotency import AnsweredRequests, Identity, identity_of, is_same_request
from inference.prediction_log.log_folders import LogFolders
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.retention import expire, retained
from inference.prediction_log.segment import (
    JOURNAL,
    SUFFIX,
    Layout,
    LoggedPrediction,
    Unsynced,
    count_torn,
    is_abandoned,
    read_segment,
    segments,
    set_aside,
)

logger = logging.getLogger(__name__)

# What lines survive once they are acknowledged: the process's death, or the machine's too.
Durability = Literal["process", "power"]


class PredictionLog:
    """The log of one serving process. `append` returns only when the lines survive what `durability` says.

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
        durability: Durability = "process",
    ) -> None:
        self._folders = [folder] if fallback is None else [folder, fallback]
        self._folder, self._seal_rows, self._seal_seconds = folder, seal_rows, seal_seconds
        self._lock, self._closing = Lock(), False
        self._segments = LogFolders(self._folders, durability == "power")
        self._uncommitted: list[LoggedPrediction] = []
        self._commits = GroupCommit(self._sync) if durability == "power" else None
        self._answered, self._remember = AnsweredRequests(remember), remember
        self._pseudonyms = pseudonyms
        self._sealing = BackgroundCompaction(folder, seal_seconds, self._close_due)
        self.lines = self.torn_segments = 0
        self._sealing.start(self._adopt_abandoned())

    @property
    def unsealed_segments(self) -> int:
        """Segments that are closed and wait to be sealed."""
        return len(self._sealing.waiting)

    @property
    def last_error(self) -> str | None:
        """Why lines cannot be written where they belong, or a segment cannot be sealed just now."""
        return self._segments.trouble or self._sealing.last_error

    @property
    def torn(self) -> str | None:
        """What was set aside after a crash of the machine, and what to do about it."""
        if not self.torn_segments:
            return None
        return (
            f"a crash left {self.torn_segments} segments of the prediction log without a whole line; "
            f"remove them once you have looked: {self._folder / JOURNAL}/*.torn"
        )

    @property
    def failures(self) -> int:
        """How often sealing has failed since the start."""
        return self._sealing.failures

    def append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> Sequence[LoggedPrediction]:
        """Log the entries that are no retries and return the line that stands for each.

        A retry is the same caller's request id asked of the same model version: the first line stands. Once a
        new version has taken over, a retry is logged as its own answer too; readers count the first.

        Raises:
            RequestIdReusedError: an id was answered for another request; nothing is written.
            LogWriteError: the lines could not be written, so none of them may be answered.
        """
        lines, committed = self.begin_append(entries, layout)
        if committed is not None:
            committed.result()
        return lines

    def begin_append(
        self, entries: Sequence[LoggedPrediction], layout: Layout
    ) -> "tuple[Sequence[LoggedPrediction], Future[None] | None]":
        """Do the same without waiting for the disk; the lines may be answered once the future has ended well.

        Without one, they may be at once. Raises as `append` does, and so does the future.
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
            # With the lock held: a sync that fails tells all who have got one of its lines.
            committed = None if self._commits is None else self._commits.request()
        if self._segments.rows >= self._seal_rows:
            self._sealing.wake()
        return entries, committed

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
        if self._commits is not None:
            self._commits.close()

    def _log_new(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        self._write(entries, layout)
        self._answered.remember(entries, layout)
        if self._commits is not None:
            self._uncommitted.extend(entries)

    def _sync(self) -> None:
        """Have all lines so far survive a loss of power. Those of which that is not sure are forgotten."""
        with self._lock:
            written, self._uncommitted = self._uncommitted, []
            unsynced = self._segments.take_unsynced()
        failed = [(place, error) for place, each in unsynced if (error := _sync_failure(each))]
        if failed:
            with self._lock:
                self._answered.forget(written)
                for place, error in failed:
                    place.sync_failed(error)
            raise LogWriteError(str(failed[0][0].folder), str(failed[0][1]))

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

    def _count_torn(self) -> None:
        self.torn_segments = sum(map(count_torn, self._folders))

    def _close_due(self) -> list[Path]:
        """Close the segments if it is time to, for them to be sealed."""
        expire(self._folders, self._remember)
        self._count_torn()
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
        if self._commits is not None:
            _sync_abandoned(abandoned)
        expire(self._folders, self._remember)
        for path in [*retained(self._folders), *abandoned]:
            self._remember_segment(path)
        self._count_torn()
        for draft in (draft for folder in self._folders for draft in (folder / JOURNAL).glob("*.draft")):
            if is_abandoned(draft):
                draft.unlink(missing_ok=True)
        return abandoned

    def _abandoned(self) -> list[Path]:
        return [path for folder in self._folders for path in segments(folder) if is_abandoned(path)]

    def _remember_segment(self, path: Path) -> None:
        try:
            layout, entries = read_segment(path)
        except TornSegmentError as error:
            if path.suffix == SUFFIX:
                set_aside(path)
            else:
                logger.warning("What was answered before is not remembered: %s", error)
            return
        except (PredictionLogError, FileNotFoundError) as error:
            logger.warning("What was answered before is not remembered: %s", error)
            return
        self._answered.remember([entry for entry in entries if entry.role != "shadow"], layout)


def _sync_failure(unsynced: Unsynced) -> OSError | None:
    try:
        unsynced.sync()
    except OSError as error:
        return error
    return None


def _sync_abandoned(paths: Sequence[Path]) -> None:
    """A retry of what a killed process wrote, and may not have synced, is answered without another line."""
    for path in paths:
        with suppress(FileNotFoundError):  # another process has sealed it
            Unsynced(os.open(path, os.O_RDONLY), path).sync()
