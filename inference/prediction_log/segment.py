"""One journal segment: a header line, then a JSON line per prediction, written before the answer."""

import fcntl
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple, Self
from uuid import uuid4

import msgspec

from contracts.problem import FieldType
from inference.core.durable_names import sync_folder
from inference.core.packed_numbers import NUMBER, packer
from inference.documents import Role
from inference.prediction_log.errors import CorruptLogError, LogWriteError, TornSegmentError
from inference.prediction_log.schema import CATEGORICAL, check_version

logger = logging.getLogger(__name__)

JOURNAL = "journal"
VERSION: Final = 4
SUFFIX = ".jsonl"
TORN: Final = ".torn"
# How a segment's name begins: with when it was opened, in UTC, so that names sort by age.
NAME_TIME: Final = "%Y%m%dT%H%M%S%f"
# A new segment is named by its folder, which may be new itself, as may the log's.
SYNCED_PARENTS: Final = 3
Scalar = str | int | float | None
# Where features came from: looked up by the service, given by the caller, or read by a bulk run.
ONLINE = "online"
GIVEN = "given"
BATCH = "batch"


class Layout(msgspec.Struct, frozen=True, cache_hash=True):
    """The columns of a segment's lines: (name, type) of the request fields, (name, kind) of the features."""

    keys: tuple[tuple[str, FieldType], ...]
    features: tuple[tuple[str, str], ...]


class Header(msgspec.Struct, frozen=True):
    """A segment's first line."""

    schema_version: int
    layout: Layout


class LoggedPrediction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line; times are UTC. `keys`, `statuses` and `ages` follow the segment's layout.

    A timestamp among `keys` is an ISO 8601 string. `texts` are the categorical features, `None` where
    missing, and `numbers` the others, packed: in the line, as Base64. `ages` are seconds. Without `statuses`
    every feature is present; without `ages` none is known. `caller` as `Call` has it; `is_timed`: the caller
    gave the prediction time.
    """

    request_id: str
    prediction_time: datetime
    logged_at: datetime
    model_version: str
    role: Role
    source: str
    prediction: float
    latency_ms: float | None
    keys: tuple[Scalar, ...]
    texts: tuple[str | None, ...]
    numbers: bytes
    statuses: tuple[str, ...]
    ages: tuple[float | None, ...]
    caller: str | None = None
    is_timed: bool = False


def divide_values(layout: Layout, values: Sequence[Any]) -> tuple[tuple[str | None, ...], bytes]:
    """The texts of a row of features, and its packed numbers.

    Raises:
        ValueError: they do not follow the layout.
    """
    kinds = [kind == CATEGORICAL for _, kind in layout.features]
    numbers = [value for value, is_text in zip(values, kinds, strict=True) if not is_text]
    return tuple(compress(values, kinds)), packer(len(numbers))(numbers)


_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)
_line_decoder = msgspec.json.Decoder(LoggedPrediction)


class Unsynced(NamedTuple):
    """An own descriptor of a segment that was written; `path`, if its name may not be on the disk either."""

    descriptor: int
    path: Path | None

    def sync(self) -> None:
        """Wait until the segment survives a loss of power; the descriptor is closed in any case.

        Raises:
            OSError: it may not.
        """
        try:
            os.fdatasync(self.descriptor)
            for folder in self.path.parents[:SYNCED_PARENTS] if self.path else ():
                sync_folder(folder)
        finally:
            os.close(self.descriptor)


class Segment:
    """The open segment: appended to by one process, which holds its lock for as long as it lives."""

    def __init__(self, path: Path, descriptor: int, layout: Layout) -> None:
        self.path, self.layout = path, layout
        self.rows, self._descriptor = 0, descriptor
        self.opened_at = monotonic()
        self._size = os.fstat(descriptor).st_size
        self.is_unsynced = self._is_new = True

    @classmethod
    def create(cls, folder: Path, layout: Layout) -> Self:
        """Create a locked segment that holds only its header; it gets its name once the header is in it."""
        name = f"{datetime.now(UTC):{NAME_TIME}}-{uuid4().hex[:8]}"
        path = folder / JOURNAL / f"{name}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        segment = cls(path, descriptor, layout)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            segment._write(_encoder.encode(Header(VERSION, layout)) + b"\n")
            draft.rename(path)
        except (LogWriteError, OSError):
            segment.close()
            draft.unlink(missing_ok=True)
            raise
        return segment

    @property
    def is_removed(self) -> bool:
        """Whether its file was deleted: what is written to it would be gone with the process."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, entries: Sequence[LoggedPrediction]) -> None:
        """Write the lines in one unbuffered call; after a failure the segment is as it was before.

        Raises:
            LogWriteError: the disk is full or the file cannot be written.
        """
        self._write(_encoder.encode_lines(entries))
        self.rows += len(entries)
        self.is_unsynced = True

    def take_unsynced(self) -> Unsynced:
        """What has to be synced for all that is written so far."""
        taken = Unsynced(os.dup(self._descriptor), self.path if self._is_new else None)
        self.is_unsynced = self._is_new = False
        return taken

    def _write(self, lines: bytes) -> None:
        try:
            written = os.write(self._descriptor, lines)
        except OSError as error:
            raise LogWriteError(str(self.path), str(error)) from error
        if written != len(lines):
            os.ftruncate(self._descriptor, self._size)
            raise LogWriteError(str(self.path), f"only {written} of {len(lines)} bytes fitted")
        self._size += written

    def close(self) -> None:
        """Let go of the lock; the segment may now be sealed."""
        os.close(self._descriptor)


def segments(folder: Path) -> list[Path]:
    """The journal's segments, oldest first."""
    return sorted((folder / JOURNAL).glob(f"*{SUFFIX}"))


def set_aside(path: Path) -> None:
    """Keep a torn segment for study, where nobody reads it."""
    logger.warning("%s is set aside: a crash left no whole line in it", path)
    path.rename(path.with_suffix(TORN))


def count_torn(folder: Path) -> int:
    """The segments set aside."""
    return len(list((folder / JOURNAL).glob(f"*{TORN}")))


def is_abandoned(path: Path) -> bool:
    """Whether no living process is writing this segment (its writer holds a lock until it ends)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # another process has sealed it, or its folder is away again
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def read_segment(path: Path) -> tuple[Layout, list[LoggedPrediction]]:
    """Parse a segment. A last line without its newline was never answered and is left out.

    Raises:
        UnknownLogVersionError: the header carries another schema version.
        TornSegmentError: there is no whole header.
        CorruptLogError: a complete line cannot be parsed.
        FileNotFoundError: the segment has been sealed meanwhile.
    """
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        raise TornSegmentError(str(path))
    first, _, lines = whole.partition(b"\n")
    try:
        check_version(msgspec.json.decode(first)["schema_version"], str(path), VERSION)
        header = _header_decoder.decode(first)
        return header.layout, _read_lines(header.layout, lines)
    except (msgspec.DecodeError, KeyError, TypeError, IndexError, ValueError) as error:
        raise CorruptLogError(str(path), str(error)) from error


def _read_lines(layout: Layout, lines: bytes) -> list[LoggedPrediction]:
    read = _line_decoder.decode_lines(lines)
    texts = [kind for _, kind in layout.features].count(CATEGORICAL)
    size = (len(layout.features) - texts) * NUMBER.itemsize
    if any(len(line.texts) != texts or len(line.numbers) != size for line in read):
        raise ValueError("a line has more or fewer features than its header says")
    return read
