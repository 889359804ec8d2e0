"""A connection that answers plain requests for hot paths itself; all others go uvicorn's way, through ASGI.

Plain is a request in HTTP/1.1 with a body of declared length, on a connection where none is under way. ASGI's
messages, its cycle and the application's middleware would take as long again as the prediction.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from inference.access.patient_connection import PatientConnection
from inference.errors import OverloadedError
from inference.front_door import Answered, HotPaths, HotRoute

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message

    from inference.application_state import ApplicationState

LONGEST_LENGTH: Final = 12


class HotCycle:
    """One request for a hot path and its answer, as uvicorn's connection looks at what is under way."""

    __slots__ = (
        *("body", "disconnected", "hot", "keep_alive", "message_event"),
        *("more_body", "path", "response_complete", "response_started"),
    )

    def __init__(self, hot: HotRoute, path: bytes, keep_alive: bool) -> None:
        self.hot, self.path, self.keep_alive = hot, path, keep_alive
        self.body, self.more_body = bytearray(), True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = NOBODY_WAITS


class _NobodyWaits:
    def set(self) -> None:
        """Wake nobody: a hot request is answered once it is whole."""


NOBODY_WAITS: Final = _NobodyWaits()


class HotConnection(PatientConnection):
    """One connection of an application that has hot paths; made by `hot_connection`."""

    hot_app: ClassVar["FastAPI"]
    hot_routes: ClassVar[dict[tuple[bytes, bytes], HotRoute]]
    longest_body: ClassVar[int]
    cycle: Any

    def on_headers_complete(self) -> None:
        """Take a plain request for a hot path, or leave it to uvicorn."""
        hot = self.hot_routes.get((self.parser.get_method(), self.url))
        if hot is None or not self._is_plain():
            super().on_headers_complete()
            return
        self._head_bytes = None
        self.cycle = HotCycle(hot, self.url, self.parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """Collect what was declared."""
        if self.cycle.__class__ is HotCycle:
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to answer."""
        cycle = self.cycle
        if cycle.__class__ is not HotCycle:
            super().on_message_complete()
            return
        self.began_at, cycle.more_body = None, False
        started, running = perf_counter(), self.hot_app.state.running
        try:
            running.admission.enter()
        except OverloadedError as error:
            self._refuse(cycle, running, error, started)
            return
        task = self.loop.create_task(self._answer(cycle, self.scope, running, started))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _is_plain(self) -> bool:
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way or self.expect_100_continue or self.parser.get_http_version() != "1.1":
            return False
        declared = b""
        for name, value in self.headers:
            if name == b"content-length":
                declared = value
            elif name in (b"transfer-encoding", b"upgrade"):
                return False
        return declared.isdigit() and len(declared) <= LONGEST_LENGTH and int(declared) <= self.longest_body

    def _refuse(
        self, cycle: HotCycle, running: "ApplicationState", error: OverloadedError, started: float
    ) -> None:
        """Refuse before anything is spent: no task, no look at credentials, nothing decoded."""
        paths: HotPaths = self.hot_app.state.hot_paths
        asked = {"path": cycle.path.decode("ascii"), "headers": self.headers}
        answered = paths.turn_away(cycle.hot, running, asked, error, started)
        self._write(answered, cycle)
        answered.take_down(running.observer)

    async def _answer(self, cycle: HotCycle, scope: Any, running: "ApplicationState", started: float) -> None:
        app, hot = self.hot_app, cycle.hot
        paths: HotPaths = app.state.hot_paths
        path = cycle.path.decode("ascii")
        scope |= {"app": app, "method": "POST", "path": path, "raw_path": cycle.path, "query_string": b""}
        given: Message = {"type": "http.request", "body": bytes(cycle.body), "more_body": False}

        async def receive() -> "Message":
            return given

        try:
            answered = await paths.answer(hot, running, scope, receive, started)
        finally:
            running.admission.leave()
        if answered is not None:
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
            self._write(answered, cycle)
            answered.take_down(running.observer)

    def _write(self, answered: Answered, cycle: HotCycle) -> None:
        cycle.response_started = cycle.response_complete = True
        if not cycle.disconnected:
            closing = [] if cycle.keep_alive else [(b"connection", b"close")]
            headers = [*self.server_state.default_headers, *answered.headers, *closing]
            self.transport.write(encode_head(answered.response.status, headers) + answered.response.body)
            if not cycle.keep_alive:
                self.transport.close()
        self.on_response_complete()


def encode_head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers as they are sent.

    Raises:
        ValueError: a header holds a line break, so that what follows would read as another.
    """
    head = b"".join([STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"])
    if head.count(b"\n") != len(headers) + 2 or head.count(b"\r") != len(headers) + 2:
        raise ValueError("a header of the answer holds a line break")
    return head


def hot_connection(app: "FastAPI", longest_body: int) -> type[HotConnection]:
    """The connections of `app`, whose `state` holds `hot_paths`; longer bodies are left to it to refuse."""
    paths: HotPaths = app.state.hot_paths
    routes = {(method.encode(), path.encode()): hot for (method, path), hot in paths.routes.items()}
    parts: dict[str, Any] = {"hot_app": app, "hot_routes": routes, "longest_body": longest_body}
    return type(HotConnection.__name__, (HotConnection,), parts)
