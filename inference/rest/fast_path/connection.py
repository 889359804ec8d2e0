"""A connection that answers plain requests for fast paths itself; all others go uvicorn's way, through ASGI.

Plain is a request in HTTP/1.1 with a body of declared length that is not compressed, on a connection where
none is under way and whose answers are read. ASGI's messages, its cycle and the application's middleware
would take as long again as the prediction.
"""

from collections.abc import Awaitable, Sequence
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from inference.errors import OverloadedError
from inference.observability.call import Call
from inference.prediction.retry_after import said_overload
from inference.rest.fast_path.middleware import CALL, Answered, FastPaths, FastResponse, FastRoute
from inference.rest.fast_path.request_parser import read_length, read_whole
from inference.rest.fast_path.response_head import encode_head, encode_headers
from inference.rest.timeouts import TimedConnection

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message, Receive

    from inference.rest.application_state import ApplicationState

CLOSING: Final = b"connection: close\r\n"


class FastCycle:
    """One request for a fast path and its answer, as uvicorn's connection looks at what is under way.

    It is told the answer, and has its connection write it. If the caller has hung up, it is told all the
    same: what was asked is answered, logged and counted.
    """

    __slots__ = (
        *("call", "chunks", "connection", "disconnected", "fast", "keep_alive", "message_event"),
        *("more_body", "path", "response_complete", "response_started"),
    )
    gone: Final = False
    call: Call

    def __init__(self, connection: "FastPathConnection", fast: FastRoute, path: str) -> None:
        self.connection, self.fast, self.path = connection, fast, path
        self.keep_alive = connection.parser.should_keep_alive()
        self.chunks: list[bytes] = []
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = NOBODY_WAITS

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)

    def answered(self, response: FastResponse) -> None:
        """Answer."""
        self.connection.finish(self, Answered(response, self.call, self.fast.route))

    def failed(self, error: Exception) -> None:
        """Answer with what is said of the error."""
        self.connection.finish(self, self.connection.paths.failed(self.fast, self.call, self.path, error))


class _NobodyWaits:
    def set(self) -> None:
        """Wake nobody: a fast request is answered once it is whole."""


NOBODY_WAITS: Final = _NobodyWaits()


class FastPathConnection(TimedConnection):
    """One connection of an application that has fast paths; made by `fast_connection`."""

    fast_app: ClassVar["FastAPI"]
    paths: ClassVar[FastPaths]
    fast_routes: ClassVar[dict[tuple[bytes, bytes], tuple[str, FastRoute]]]
    longest_body: ClassVar[int]
    fast_lines: ClassVar[dict[bytes, tuple[str, FastRoute]]]
    server_headers: ClassVar["ServerHeaders"]
    running: "ApplicationState"
    cycle: Any

    def connection_made(self, transport: Any) -> None:
        """Begin, with the service as it runs."""
        super().connection_made(transport)
        self.running = self.fast_app.state.running

    def data_received(self, data: bytes) -> None:
        """Take bytes in, unless they are one whole request that is refused as it is."""
        if not (self.running.admission.is_full and self._refuses_unread(data)):
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Take a plain request for a fast path, or leave it to uvicorn."""
        found = self.fast_routes.get((self.parser.get_method(), self.url))
        if found is None or not self._is_plain():
            super().on_headers_complete()
            return
        self._head_arrives, self._other_bytes = False, None  # the rest is as long as declared
        path, fast = found
        self.cycle = self.under_way = FastCycle(self, fast, path)

    def on_body(self, body: bytes) -> None:
        """Collect what was declared."""
        cycle = self.cycle
        if cycle.__class__ is FastCycle:
            cycle.chunks.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to answer."""
        cycle = self.cycle
        if cycle.__class__ is not FastCycle:
            super().on_message_complete()
            return
        self.began_at, cycle.more_body = None, False
        started, admission = perf_counter(), self.running.admission
        try:
            admission.enter()
        except OverloadedError as error:
            refused = self.paths.reject(cycle.fast, self.running, cycle.path, self.headers, error, started)
            self._write(refused, cycle)
            return
        admitted = self.paths.admit(cycle.fast, self.running, cycle.path, self.headers, started)
        if isinstance(admitted, Answered):
            self.finish(cycle, admitted)
        else:
            cycle.call = admitted
            self._begin(cycle)

    def finish(self, cycle: FastCycle, answered: Answered) -> None:
        """Write the answer to a request that was let in, and take it down."""
        self.running.admission.leave()
        self._write(answered, cycle)

    def _is_plain(self) -> bool:
        under_way = self.cycle is not None and not self.cycle.response_complete
        waits = under_way or self.flow.write_paused or self.expect_100_continue
        if waits or self.parser.get_http_version() != "1.1":
            return False
        declared = b""
        for name, value in self.headers:
            if name == b"content-length":
                declared = value
            elif name in (b"transfer-encoding", b"content-encoding", b"upgrade"):
                return False
        length = read_length(declared)
        return length is not None and length <= self.longest_body

    def _refuses_unread(self, data: bytes) -> bool:
        """Refuse a plain request for a fast path before it is parsed, if nothing else is under way here."""
        if not self.is_idle or self.flow.write_paused or self.transport.is_closing():
            return False
        started, read = perf_counter(), read_whole(data)
        found = None if read is None else self.fast_lines.get(read[0])
        if read is None or found is None or not self.running.admission.refuses():
            return False
        path, fast = found
        self._tell(self.paths.reject(fast, self.running, path, read[1], said_overload(), started))
        return True

    def _begin(self, cycle: FastCycle) -> None:
        """Have the request answered in the loop's next turn where that can be, else by a task."""
        begin = cycle.fast.begin
        if begin is None:
            answering = cycle.fast.handler(self.running, self._scope_of(cycle), _receive_of(cycle))
        else:
            try:
                begun = begin(self.running, cycle.call, cycle.body, cycle)
            except Exception as error:
                cycle.failed(error)
                return
            if begun is None:
                return
            answering = begun
        task = self.loop.create_task(self._await(cycle, answering))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _await(self, cycle: FastCycle, answering: Awaitable[FastResponse]) -> None:
        answered = None
        try:
            answered = await self.paths.answer(cycle.fast, cycle.call, cycle.path, answering)
        finally:
            if answered is None:
                self.running.admission.leave()
            else:
                self.finish(cycle, answered)

    def _scope_of(self, cycle: FastCycle) -> Any:
        path, raw = cycle.path, self.url
        asked = {"app": self.fast_app, "method": "POST", "path": path, "raw_path": raw, "query_string": b""}
        return self.scope | asked | {CALL: cycle.call}

    def _write(self, answered: Answered, cycle: FastCycle) -> None:
        cycle.response_started = cycle.response_complete = True
        self._tell(answered, heard=not cycle.disconnected, last=not cycle.keep_alive)

    def _tell(self, answered: Answered, heard: bool = True, last: bool = False) -> None:
        if heard:
            closing = CLOSING if last else b""
            head = answered.head or encode_head(answered.response.status, answered.headers)
            every = self.server_headers.encode(self.server_state.default_headers)
            self.transport.write(b"".join((head, every, closing, b"\r\n", answered.response.body)))
            if last:
                self.transport.close()
        self.on_response_complete()
        answered.record(self.running.observer)


def _receive_of(cycle: FastCycle) -> "Receive":
    async def receive() -> "Message":
        return {"type": "http.request", "body": cycle.body, "more_body": False}

    return receive


class ServerHeaders:
    """What uvicorn says in every answer, as it is sent; it makes a new list of it once a second."""

    def __init__(self) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._encoded = b""

    def encode(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The lines of the headers."""
        if headers is not self._headers:
            self._headers, self._encoded = headers, encode_headers(headers)
        return self._encoded


def fast_connection(app: "FastAPI", longest_body: int, most: float = inf) -> type[FastPathConnection]:
    """The connections of `app`, whose `state` holds `fast_paths`; longer bodies are left to it to refuse.

    `most` may be open at once.
    """
    paths: FastPaths = app.state.fast_paths
    routes = {(method.encode(), path.encode()): (path, fast) for (method, path), fast in paths.routes.items()}
    parts: dict[str, Any] = {
        "fast_app": app,
        "paths": paths,
        "fast_routes": routes,
        "fast_lines": {b"%b %b HTTP/1.1" % asked: found for asked, found in routes.items()},
        "longest_body": longest_body,
        "most_connections": most,
        "server_headers": ServerHeaders(),
    }
    return type(FastPathConnection.__name__, (FastPathConnection,), parts)
