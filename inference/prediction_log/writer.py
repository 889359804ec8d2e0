"""Writing the prediction log: journal before the answer, seal in the background, log a retry once."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
from msgspec.structs import replace

from inference.prediction_log.answered import Answer, AnsweredRequests, answer_of
from inference.prediction_log.errors import LogWriteError, PredictionLogError, RequestIdReusedError
from inference.prediction_log.journal import (
    JOURNAL,
    Layout,
    LoggedPrediction,
    Segment,
    is_abandoned,
    read_segment,
    segments,
)
from inference.prediction_log.pseudonyms import Pseudonyms
from inference.prediction_log.sealing import seal_segment, write_parts

logger = logging.getLogger(__name__)


class PredictionLog:
    """The log of one serving process. `append` returns only when the lines would survive the process's death.

    A segment is sealed after `seal_rows` lines or `seal_seconds`. The last `remember` request ids are known;
    after a restart, those of the segments that a dead process left unsealed. With `pseudonyms`, personal
    fields are kept under those only, here and on disk.
    """

    def __init__(
        self,
        folder: Path,
        seal_rows: int,
        seal_seconds: float,
        remember: int,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self._folder, self._seal_rows, self._seal_seconds = folder, seal_rows, seal_seconds
        self._lock, self._wake, self._closing = Lock(), Event(), False
        self._segment: Segment | None = None
        self._opened_at = monotonic()
        self._closed: list[Path] = []
        self._answered, self._pseudonyms = AnsweredRequests(remember), pseudonyms
        self.last_error: str | None = None
        self.lines = 0
        self._adopt_abandoned()
        self._thread = Thread(target=self._seal_until_closed, name="prediction-log-sealing", daemon=True)
        self._thread.start()

    @property
    def unsealed_segments(self) -> int:
        """Segments that are closed and wait to be sealed."""
        return len(self._closed)

    def append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> tuple[Answer, ...]:
        """Log the entries that are no retries and return the answer that stands for each.

        A retry is the same request id asked of the same model version: it gets the first answer again. Once a
        new version has taken over, a retry gets that one's answer, logged too; readers count the first.

        Raises:
            RequestIdReusedError: an id was answered for other fields; nothing is written.
            LogWriteError: the lines could not be written, so none of them may be answered.
        """
        entries = self._concealed(entries)
        with self._lock:
            fresh = self._fresh(entries)
            if fresh:
                self._write(list(fresh.values()), layout)
            for entry in fresh.values():
                self._answered.remember(entry, answer_of(entry, layout))
            answers = tuple(self._standing(entry, fresh, layout) for entry in entries)
        if self._segment is not None and self._segment.rows >= self._seal_rows:
            self._wake.set()
        return answers

    def close(self) -> None:
        """Seal what is open and stop; the log is whole without this too, only unsealed."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def seal(self) -> None:
        """Close the open segment and seal every closed one; what cannot be sealed is kept and reported."""
        self._rotate()
        for path in list(self._closed):
            self._seal(path)

    def _write(self, entries: Sequence[LoggedPrediction], layout: Layout) -> None:
        segment = self._open(layout)
        try:
            segment.append(entries)
        except (LogWriteError, OSError):
            self._close_segment(segment)  # whatever is torn stays its last line, which readers leave out
            raise
        self.lines += len(entries)

    def _concealed(self, entries: Sequence[LoggedPrediction]) -> Sequence[LoggedPrediction]:
        """What may be kept of the entries: the personal fields' pseudonyms."""
        names = self._pseudonyms
        return (
            entries
            if names is None
            else [replace(entry, keys=names.conceal(entry.keys)) for entry in entries]
        )

    def _fresh(self, entries: Sequence[LoggedPrediction]) -> dict[str, LoggedPrediction]:
        fresh: dict[str, LoggedPrediction] = {}
        for entry in entries:
            first = fresh.setdefault(entry.request_id, entry)
            if first.keys != entry.keys or self._answered.asked_otherwise(entry):
                raise RequestIdReusedError((entry.request_id,))
        return {name: entry for name, entry in fresh.items() if self._answered.recall(entry) is None}

    def _standing(
        self, entry: LoggedPrediction, fresh: dict[str, LoggedPrediction], layout: Layout
    ) -> Answer:
        """The remembered answer; a batch longer than the memory falls back on its own entries."""
        known = self._answered.recall(entry)
        return known or answer_of(fresh.get(entry.request_id, entry), layout)

    def _open(self, layout: Layout) -> Segment:
        if self._segment is not None and self._segment.layout != layout:
            self._close_segment(self._segment)
        if self._segment is None:
            self._segment = Segment.create(self._folder, layout)
            self._opened_at = monotonic()
        return self._segment

    def _close_segment(self, segment: Segment) -> None:
        segment.close()
        self._closed.append(segment.path)
        self._segment = None

    def _rotate(self) -> None:
        with self._lock:
            if self._segment is not None:
                self._close_segment(self._segment)

    def _seal_until_closed(self) -> None:
        while not self._closing:
            self._wake.wait(timeout=self._seal_seconds / 4)
            self._wake.clear()
            if self._is_due():
                self.seal()
        self.seal()

    def _is_due(self) -> bool:
        if self._closed:
            return True
        segment = self._segment
        old = monotonic() - self._opened_at >= self._seal_seconds
        return segment is not None and (segment.rows >= self._seal_rows or old)

    def _seal(self, path: Path) -> None:
        try:
            seal_segment(path, self._folder)
        except (PredictionLogError, OSError, pa.ArrowException) as error:
            self.last_error = f"{path.name}: {error}"
            logger.exception("A segment stays unsealed; its rows are still read from the journal")
        else:
            self._closed.remove(path)
            self.last_error = None

    def _adopt_abandoned(self) -> None:
        """Take over the segments of dead processes: remember their answers, seal them soon."""
        for path in segments(self._folder):
            if is_abandoned(path):
                self._closed.append(path)
                self._remember_segment(path)
        for draft in (self._folder / JOURNAL).glob("*.draft"):
            if is_abandoned(draft):
                draft.unlink()

    def _remember_segment(self, path: Path) -> None:
        try:
            layout, entries = read_segment(path)
        except PredictionLogError as error:
            self.last_error = str(error)
            return
        for entry in entries:
            self._answered.remember(entry, answer_of(entry, layout))


def append_batch(folder: Path, frame: pd.DataFrame, schema: pa.Schema) -> list[Path]:
    """Write bulk predictions straight to sealed partitions; the paths written.

    Args:
        folder: `schema.log_folder(settings)`.
        frame: the columns of `schema`; those left out are null, `logged_at` is now and `source` "batch".
        schema: `schema.arrow_schema(columns, problem)`.
    """
    stamps: dict[str, Any] = {"logged_at": pd.Timestamp.now(UTC), "source": "batch", "role": "champion"}
    complete = frame.assign(**{name: value for name, value in stamps.items() if name not in frame})
    arrays = [_column(complete, field) for field in schema]
    return write_parts(
        pa.Table.from_arrays(arrays, schema=schema),
        folder,
        f"batch-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}",
    )


def _column(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    if field.name not in frame:
        return pa.nulls(len(frame), field.type)
    return pa.Array.from_pandas(frame[field.name], type=field.type)
