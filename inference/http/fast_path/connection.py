"""A connection that answers plain requests for hot paths itself; all others go uvicorn's way, through ASGI.

Plain is a request in HTTP/1.1 with a body of declared length that is not compressed, on a connection where
none is under way and whose answers are read. ASGI's messages, its cycle and the application's middleware
would take as long again as the prediction.
"""

from collections.abc import Awaitable, Sequence
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from inference.access.patient_connection import PatientConnection
from inference.admission.retry_after import said_overload
from inference.call import Call
from inference.errors import OverloadedError
from inference.front_door import CALL, Answered, HotPaths, HotResponse, HotRoute
from inference.hot_path.whole_request import read_length, read_whole
from inference.response_head import encode_head, encode_headers

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message, Receive

    from inference.application_state import ApplicationState

CLOSING: Final = b"connection: close\r\n"


class HotCycle:
    """One request for a hot path and its answer, as uvicorn's connection looks at what is under way.

    It is told the answer, and has its connection write it. If the caller has hung up, it is told all the
    same: what was asked is answered, logged and counted.
    """

    __slots__ = (
        *("call", "chunks", "connection", "disconnected", "hot", "keep_alive", "message_event"),
        *("more_body", "path", "response_complete", "response_started"),
    )
    gone: Final = False
    call: Call

    def __init__(self, connection: "HotConnection", hot: HotRoute, path: str) -> None:
        self.connection, self.hot, self.path = connection, hot, path
        self.keep_alive = connection.parser.should_keep_alive()
        self.chunks: list[bytes] = []
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = NOBODY_WAITS

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)

    def answered(self, response: HotResponse) -> None:
        """Answer."""
        self.connection.finish(self, Answered(response, self.call, self.hot.route))

    def failed(self, error: Exception) -> None:
        """Answer with what is said of the error."""
        self.connection.finish(self, self.connection.paths.failed(self.hot, self.call, self.path, error))


class _NobodyWaits:
    def set(self) -> None:
        """Wake nobody: a hot request is answered once it is whole."""


NOBODY_WAITS: Final = _NobodyWaits()


class HotConnection(PatientConnection):
    """One connection of an application that has hot paths; made by `hot_connection`."""

    hot_app: ClassVar["FastAPI"]
    paths: ClassVar[HotPaths]
    hot_routes: ClassVar[dict[tuple[bytes, bytes], tuple[str, HotRoute]]]
    longest_body: ClassVar[int]
    hot_lines: ClassVar[dict[bytes, tuple[str, HotRoute]]]
    server_headers: ClassVar["ServerHeaders"]
    running: "ApplicationState"
    cycle: Any

    def connection_made(self, transport: Any) -> None:
        """Begin, with the service as it runs."""
        super().connection_made(transport)
        self.running = self.hot_app.state.running

    def data_received(self, data: bytes) -> None:
        """Take bytes in, unless they are one whole request that is refused as it is."""
        if not (self.running.admission.is_full and self._refuses_unread(data)):
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Take a plain request for a hot path, or leave it to uvicorn."""
        found = self.hot_routes.get((self.parser.get_method(), self.url))
        if found is None or not self._is_plain():
            super().on_headers_complete()
            return
        self._head_arrives, self._other_bytes = False, None  # the rest is as long as declared
        path, hot = found
        self.cycle = self.under_way = HotCycle(self, hot, path)

    def on_body(self, body: bytes) -> None:
        """Collect what was declared."""
        cycle = self.cycle
        if cycle.__class__ is HotCycle:
            cycle.chunks.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to answer."""
        cycle = self.cycle
        if cycle.__class__ is not HotCycle:
            super().on_message_complete()
            return
        self.began_at, cycle.more_body = None, False
        started, admission = perf_counter(), self.running.admission
        try:
            admission.enter()
        except OverloadedError as error:
            refused = self.paths.turn_away(cycle.hot, self.running, cycle.path, self.headers, error, started)
            self._write(refused, cycle)
            return
        admitted = self.paths.admit(cycle.hot, self.running, cycle.path, self.headers, started)
        if isinstance(admitted, Answered):
            self.finish(cycle, admitted)
        else:
            cycle.call = admitted
            self._begin(cycle)

    def finish(self, cycle: HotCycle, answered: Answered) -> None:
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
        """Refuse a plain request for a hot path before it is parsed, where nothing else is under way here."""
        if not self.is_idle or self.flow.write_paused or self.transport.is_closing():
            return False
        started, read = perf_counter(), read_whole(data)
        found = None if read is None else self.hot_lines.get(read[0])
        if read is None or found is None or not self.running.admission.refuses():
            return False
        path, hot = found
        self._tell(self.paths.turn_away(hot, self.running, path, read[1], said_overload(), started))
        return True

    def _begin(self, cycle: HotCycle) -> None:
        """Have the request answered in the loop's next turn where that can be, else by a task."""
        begin = cycle.hot.begin
        if begin is None:
            answering = cycle.hot.handler(self.running, self._scope_of(cycle), _receive_of(cycle))
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

    async def _await(self, cycle: HotCycle, answering: Awaitable[HotResponse]) -> None:
        answered = None
        try:
            answered = await self.paths.answer(cycle.hot, cycle.call, cycle.path, answering)
        finally:
            if answered is None:
                self.running.admission.leave()
            else:
                self.finish(cycle, answered)

    def _scope_of(self, cycle: HotCycle) -> Any:
        path, raw = cycle.path, self.url
        asked = {"app": self.hot_app, "method": "POST", "path": path, "raw_path": raw, "query_string": b""}
        return self.scope | asked | {CALL: cycle.call}

    def _write(self, answered: Answered, cycle: HotCycle) -> None:
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
        answered.take_down(self.running.observer)


def _receive_of(cycle: HotCycle) -> "Receive":
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


def hot_connection(app: "FastAPI", longest_body: int, most: float = inf) -> type[HotConnection]:
    """The connections of `app`, whose `state` holds `hot_paths`; longer bodies are left to it to refuse.

    `most` may be open at once.
    """
    paths: HotPaths = app.state.hot_paths
    routes = {(method.encode(), path.encode()): (path, hot) for (method, path), hot in paths.routes.items()}
    parts: dict[str, Any] = {
        "hot_app": app,
        "paths": paths,
        "hot_routes": routes,
        "hot_lines": {b"%b %b HTTP/1.1" % asked: found for asked, found in routes.items()},
        "longest_body": longest_body,
        "most_connections": most,
        "server_headers": ServerHeaders(),
    }
    return type(HotConnection.__name__, (HotConnection,), parts)
