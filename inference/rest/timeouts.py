"""A connection, one of so many, that waits so long for a request and a reader, and takes so long headers.

uvicorn ends idle connections, but waits for ever for a request that has begun and for an answer to be read,
and httptools collects headers and trailers without end: a caller who sends a byte a minute (slowloris) would
hold a connection for good.
"""

from collections.abc import Iterable
from math import inf
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 2**10
# Requests that were sent before their predecessors were answered; uvicorn makes all that come at once.
MOST_WAITING: Final = 100
TIMED_OUT: Final = b"408 Request Timeout"
TOO_LARGE: Final = b"431 Request Header Fields Too Large"


class TooManyWaitingError(Exception):
    """Stops the parser; the connection is closed by then."""


class TimedConnection(HttpToolsProtocol):
    """Notes when a request began to arrive; `close_slow_callers` looks at that once in a while.

    So it does at `idle_since`, when it last began to wait for one, in place of a timer for each answer, and
    at `unread_since`, when the caller ceased to take in what is answered.
    """

    most_connections: float = inf
    began_at: float | None = None
    idle_since: float = inf
    unread_since: float = inf
    # The request that is being answered; `cycle` is the newest, which may wait behind it.
    under_way: Any = None
    # What came since the request began or its body grew last: headers, trailers, the frames of chunks.
    _other_bytes: int | None = None
    _head_arrives = _grew = _is_last = False

    def connection_made(self, transport: Any) -> None:
        """Begin as an idle connection does: closed if nothing comes, and at once if it is one too many."""
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        if len(self.connections) > self.most_connections:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be answered: what waits is dropped, and what is under way comes to its end."""
        self.pipeline.clear()
        if self.under_way is not None:
            self.cycle = self.under_way
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and count those that are no body."""
        super().data_received(data)
        if self._other_bytes is not None:
            self._other_bytes = 0 if self._grew else self._other_bytes + len(data)
            self._grew = False
            if self._other_bytes > LARGEST_HEAD:
                self.reject(TOO_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The caller sends no more: what was asked by then is answered before the connection closes."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        if self.cycle.more_body:  # and will never be whole
            if not self.pipeline:
                return False
            self.pipeline.popleft()
        self.began_at = self._other_bytes = None
        self._is_last = True
        return True

    def on_message_begin(self) -> None:
        """A request begins."""
        self.began_at, self._other_bytes = self.loop.time(), 0
        self._head_arrives = self._grew = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are whole; what trailers say is not taken for a header (RFC 9110, 6.5.1)."""
        self._head_arrives = False
        if len(self.pipeline) >= MOST_WAITING:
            self.transport.close()
            raise TooManyWaitingError
        super().on_headers_complete()
        self.headers = []

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.under_way = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Its body grows."""
        self._grew = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Its body is whole."""
        self.began_at = self._other_bytes = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The caller takes in less than is answered."""
        self.unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller has taken it in."""
        self.unread_since = inf
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Answer as if no upgrade were asked for (RFC 9110, 7.8); what follows may be another protocol."""
        self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one waits or none will come."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self._is_last:
            self.transport.close()
            return
        self.flow.resume_reading()
        self.idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is arriving, and none waits for its answer."""
        return self.began_at is None and (self.cycle is None or bool(self.cycle.response_complete))

    def reject(self, status: bytes) -> None:
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
        if self._head_arrives:
            return self.cycle is None or bool(self.cycle.response_complete)
        return not self.cycle.response_started


def close_slow_callers(connections: Iterable[Any], now: float, patience: float) -> None:
    """Close every connection whose request arrives, or whose answer is not taken in, for over `patience` s.

    One that the service itself has told to wait is left alone. Idle ones are closed after their own time.
    """
    for connection in list(connections):
        if isinstance(connection, TimedConnection):
            _close_if_slow(connection, now, patience)


def _close_if_slow(connection: TimedConnection, now: float, patience: float) -> None:
    began_at = connection.began_at
    if connection.transport.is_closing():
        connection.unread_since = min(connection.unread_since, now)
    if now - connection.unread_since > patience:
        connection.transport.abort()
    elif began_at is not None and now - began_at > patience and not connection.flow.read_paused:
        connection.reject(TIMED_OUT)
    elif connection.is_idle and now - connection.idle_since > connection.timeout_keep_alive:
        connection.timeout_keep_alive_handler()
