"""A connection that waits only so long for a request, and takes only so many bytes of headers.

uvicorn ends idle connections, but waits for ever for a request that has begun, and httptools collects headers
without end: a caller who sends a byte a minute (slowloris) would hold a connection for good.
"""

from collections.abc import Iterable
from math import inf
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 2**10
TIMED_OUT: Final = b"408 Request Timeout"
TOO_LARGE: Final = b"431 Request Header Fields Too Large"


class PatientConnection(HttpToolsProtocol):
    """Notes when a request began to arrive; `close_slow_senders` looks at that once in a while.

    So it does at `idle_since`, when it last began to wait for one, in place of a timer for each answer.
    """

    began_at: float | None = None
    idle_since: float = inf
    _head_bytes: int | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin as an idle connection does: closed if nothing comes."""
        super().connection_made(transport)
        self.idle_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and count those of unfinished headers."""
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.turn_away(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.began_at, self._head_bytes = self.loop.time(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are whole."""
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is whole."""
        self.began_at = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one waits or none will come."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self.idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is arriving, and none waits for its answer."""
        return self.began_at is None and (self.cycle is None or bool(self.cycle.response_complete))

    def turn_away(self, status: bytes) -> None:
        """Answer no more than a status, unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self._waits_for_an_answer():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
        self.transport.close()

    def _waits_for_an_answer(self) -> bool:
        """Whether a status would be read as the answer to the request that is arriving."""
        if self._head_bytes is not None:
            return self.cycle is None or bool(self.cycle.response_complete)
        return not self.cycle.response_started


def close_slow_senders(connections: Iterable[Any], now: float, patience: float) -> None:
    """Close every connection whose request has been arriving for more than `patience` seconds.

    One that the service itself has told to wait is left alone. Idle ones are closed after their own time.
    """
    for connection in list(connections):
        if not isinstance(connection, PatientConnection):
            continue
        began_at = connection.began_at
        if began_at is not None and now - began_at > patience and not connection.flow.read_paused:
            connection.turn_away(TIMED_OUT)
        elif connection.is_idle and now - connection.idle_since > connection.timeout_keep_alive:
            connection.timeout_keep_alive_handler()
