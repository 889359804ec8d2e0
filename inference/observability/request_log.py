"""A JSON line for each request: who asked, what was answered, how long it took; never what was sent."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

import msgspec

if TYPE_CHECKING:
    from inference.core.answer import Answer
    from inference.observability.call import Call

logger = logging.getLogger(__name__)

RequestLogLevel = Literal["off", "errors", "all"]

STDERR: Final = 2
# Lines that wait for a slow reader of stderr; beyond, they are dropped and counted.
WAITING_LINES: Final = 50_000
FIRST_ERROR_STATUS: Final = 400


class RequestLine(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="event", tag="request"):
    """What is written of one request; several versions or roles in one answer are joined by commas."""

    timestamp: datetime
    request_id: str | None
    protocol: str
    route: str
    status: int
    duration_ms: float
    items: int = 0
    model_version: str | None = None
    role: str | None = None
    caller: str | None = None


class RequestLog:
    """Encodes lines where the request is answered, and writes them in a thread, so that no answer waits."""

    def __init__(self, level: RequestLogLevel, stream: BinaryIO | None = None) -> None:
        """`level` is `errors` or `all`; `stream` is stderr if not given."""
        self._threshold = FIRST_ERROR_STATUS if level == "errors" else 0
        self._stream = stream or open(STDERR, "wb", closefd=False)  # noqa: SIM115
        self._encode = msgspec.json.Encoder().encode
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._dropped = 0
        self.trouble: str | None = None
        self._thread = Thread(target=self._write, name="request-log", daemon=True)
        self._thread.start()

    def record(self, call: "Call", route: str, status: int, answers: "Sequence[Answer]" = ()) -> None:
        """Take down one answered request."""
        if status < self._threshold:
            return
        if self._lines.qsize() >= WAITING_LINES:
            self._dropped += 1
            return
        line = RequestLine(
            timestamp=datetime.now(UTC),
            request_id=call.request_id,
            protocol=call.protocol,
            route=route,
            status=status,
            duration_ms=round((perf_counter() - call.started) * 1_000, 3),
            items=len(answers),
            model_version=_joined([answer.model_version for answer in answers]),
            role=_joined([answer.role for answer in answers]),
            caller=call.caller,
        )
        self._lines.put(self._encode(line))

    def close(self) -> None:
        """Write what waits."""
        self._lines.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write_line(line)
            except (OSError, ValueError) as error:  # no reader, or a full disk: the next may be taken
                self._failed(error)
        with suppress(OSError, ValueError):
            self._stream.flush()

    def _write_line(self, line: bytes) -> None:
        self._stream.write(line + b"\n")
        if self._dropped:
            self._report_dropped()
        if self._lines.empty():
            self._stream.flush()
            self.trouble = None

    def _failed(self, error: Exception) -> None:
        self._dropped += 1
        if self.trouble is None:
            logger.warning("Requests are not logged: %s", error)
        self.trouble = f"requests are not logged, stderr takes no lines: {error}"

    def _report_dropped(self) -> None:
        """Say how many lines were dropped since the last time."""
        dropped, self._dropped = self._dropped, 0
        self._stream.write(self._encode({"event": "dropped", "lines": dropped}) + b"\n")


def open_request_log(level: RequestLogLevel) -> RequestLog | None:
    """The log at this level; `None` when it is off."""
    return None if level == "off" else RequestLog(level)


def _joined(values: Sequence[str]) -> str | None:
    if len(values) == 1:
        return values[0]
    return ",".join(sorted(set(values))) or None
