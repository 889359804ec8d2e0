"""A connection that waits only so long for a request, and takes only so many bytes of headers.

uvicorn ends idle connections, but waits for ever for a request that has begun, and httptools collects headers
without end: a caller who sends a byte a minute (slowloris) would hold a connection for good.
"""

from collections.abc import Iterable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 2**10
TIMED_OUT: Final = b"408 Request Timeout"
TOO_LARGE: Final = b"431 Request Header Fields Too Large"


class PatientConnection(HttpToolsProtocol):
    """Notes when a request began to arrive; `close_slow_senders` looks at that once in a while.

    `idle_since`: since when it waits for the next request, where no timer of uvicorn's watches over that.
    """

    began_at: float | None = None
    idle_since: float | None = None
    _head_bytes: int | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin as an idle connection does: closed if nothing comes."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and count those of unfinished headers."""
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.turn_away(TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.began_at, self.idle_since, self._head_bytes = self.loop.time(), None, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are whole."""
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is whole."""
        self.began_at = None
        super().on_message_complete()

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
        began_at, idle_since = connection.began_at, connection.idle_since
        if began_at is not None:
            if now - began_at > patience and not connection.flow.read_paused:
                connection.turn_away(TIMED_OUT)
        elif idle_since is not None and now - idle_since > connection.timeout_keep_alive:
            connection.timeout_keep_alive_handler()
