"""Answers the fast paths itself, without FastAPI's machinery; every other request goes on to the application.

Both ways a request is named, checked, counted and, where it fails, answered alike.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import msgspec
from msgspec.structs import replace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.access.path_scopes import required_scope
from inference.core.answer import Answer
from inference.errors import UNEXPECTED, InferenceError, OverloadedError
from inference.observability.call import Call
from inference.observability.observer import RequestObserver, answer_headers
from inference.observability.request_ids import HEADER, current_request_id
from inference.prediction.micro_batching import Receiver
from inference.rest.application_state import ApplicationState
from inference.rest.fast_path.response_head import encode_head
from inference.rest.media_type import JSON_ONLY, MediaTypes, require_media_type

logger = logging.getLogger(__name__)

JSON: Final = b"application/json"
UNKNOWN_ROUTE: Final = "unknown"
CALL: Final = "roundtrip.call"


class FastResponse(msgspec.Struct, frozen=True, gc=False):
    """What a fast path answers; `answers` are the predictions in it, for figures and logs."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()
    answers: Sequence[Answer] = ()

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers with what they say of the body."""
        own = [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body))]
        return [*own, *self.headers]


Handler = Callable[[ApplicationState, Scope, Receive], Awaitable[FastResponse]]
Begin = Callable[[ApplicationState, Call, bytes, Receiver[FastResponse]], Awaitable[FastResponse] | None]


@dataclass(frozen=True, slots=True)
class FastRoute:
    """Who answers a fast path, the protocol and the route that it counts under, and what it reads.

    The handler raises `InferenceError` for what it refuses, and finds the call's facts with `call_of`.
    `begin` does the same with a body that is there already: it tells the receiver, or gives what to await.
    """

    handler: Handler
    protocol: str
    route: str
    begin: Begin | None = None
    media_types: MediaTypes = JSON_ONLY


Headers = Sequence[tuple[bytes, bytes]]
FastRoutes = Mapping[tuple[str, str], FastRoute]
Refuse = Callable[[str, InferenceError], FastResponse]


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A fast path's answer with what is taken down of it; `refusal` is the code of the error it says.

    `head`: status line and headers as HTTP/1.1 sends them, where that is known already.
    """

    response: FastResponse
    call: Call
    route: str
    refusal: str | None = None
    head: bytes | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All that the response says of itself and of its request."""
        headers = self.response.all_headers
        headers.extend(answer_headers(self.call))
        return headers

    def record(self, observer: RequestObserver) -> None:
        """Count and log the answer, once it is on its way."""
        given = self.response
        observer.answered(self.call, self.route, given.status, given.answers, self.refusal)


@dataclass(frozen=True, slots=True)
class FastPaths:
    """Who answers which method and path; `refuse` is how an error is said where a path asked.

    `said` are the refusals in overload, by path and message, with their encoded heads: they have to be cheap,
    and are few.
    """

    routes: FastRoutes
    refuse: Refuse
    said: dict[tuple[str, str], tuple[FastResponse, bytes]] = field(default_factory=dict)

    def admit(
        self, fast: FastRoute, state: ApplicationState, path: str, headers: Headers, started: float
    ) -> Call | Answered:
        """The call that a request makes, or the answer that refuses its caller."""
        observer = state.observer
        trace, named = observer.trace(headers, fast.route, started), observer.id_of(headers)
        began = perf_counter()
        try:
            caller = state.access.check(headers, "predict")
            require_media_type(headers, fast.media_types)
        except Exception as error:
            return self.failed(fast, Call(started, fast.protocol, None, named, trace=trace), path, error)
        state.metrics.observe("access", perf_counter() - began)
        return Call(started, fast.protocol, caller.id, named, False, trace, "admin" in caller.scopes)

    async def answer(
        self, fast: FastRoute, call: Call, path: str, answering: Awaitable[FastResponse]
    ) -> Answered | None:
        """Await an answer, whatever happens; `None` where the caller has gone."""
        current_request_id.set(call.request_id)
        try:
            return Answered(await answering, call, fast.route)
        except ClientDisconnect:
            return None
        except Exception as error:
            return self.failed(fast, call, path, error)

    def failed(self, fast: FastRoute, call: Call, path: str, error: Exception) -> Answered:
        """The answer that says an error; one that nobody expects is logged, and not told."""
        if not isinstance(error, InferenceError):
            error = unexpected(error)
        elif call.detailed:
            error = error.in_detail()
        return Answered(self.refuse(path, error), call, fast.route, error.code)

    def reject(
        self,
        fast: FastRoute,
        state: ApplicationState,
        path: str,
        headers: Headers,
        error: OverloadedError,
        started: float,
    ) -> Answered:
        """Refuse a request that is not let in, at the least expense."""
        named = state.observer.id_of(headers)
        call = Call(started, fast.protocol, request_id=named)
        said, head = self.said.get((path, error.message)) or self._say(path, error)
        return Answered(said, call, fast.route, error.code, b"%b%b: %b\r\n" % (head, HEADER, named.encode()))

    def _say(self, path: str, error: OverloadedError) -> tuple[FastResponse, bytes]:
        said = self.refuse(path, error)
        known = self.said[path, error.message] = said, encode_head(said.status, said.all_headers)
        return known


class FastPathMiddleware:
    """ASGI middleware, the outermost. Paths that no route answers are counted as one."""

    def __init__(self, app: ASGIApp, fast_paths: FastPaths) -> None:
        self._app, self._fast_paths = app, fast_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        state: ApplicationState = scope["app"].state.running
        fast = self._fast_paths.routes.get((scope["method"], scope["path"]))
        if fast is None:
            scope[CALL] = Call(started, "other", request_id=state.observer.identify(scope["headers"]))
            await self._pass_on(state, scope, receive, send)
            return
        answered = await self._answer(fast, state, scope, receive, started)
        if answered is not None:
            await _send(answered.response, answered.headers, send)
            answered.record(state.observer)

    async def _answer(
        self, fast: FastRoute, state: ApplicationState, scope: Scope, receive: Receive, started: float
    ) -> Answered | None:
        paths, path, headers = self._fast_paths, scope["path"], scope["headers"]
        try:
            with state.admission:
                admitted = paths.admit(fast, state, path, headers, started)
                if isinstance(admitted, Answered):
                    return admitted
                scope[CALL] = admitted
                return await paths.answer(fast, admitted, path, fast.handler(state, scope, receive))
        except OverloadedError as error:
            return paths.reject(fast, state, path, headers, error, started)

    async def _pass_on(self, state: ApplicationState, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        scope.pop("route", None)  # of an application that this one is mounted in

        async def send_noted(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
                state.observer.passed_on(call_of(scope), route, message["status"])
                named = answer_headers(call_of(scope))
                message = {**message, "headers": [*message.get("headers", ()), *named]}
            await send(message)

        try:
            with _admission(state, scope):
                await self._app(scope, receive, send_noted)
        except OverloadedError as error:
            refused = self._fast_paths.refuse(scope["path"], error)
            await _send(refused, refused.all_headers, send_noted)
        except ClientDisconnect:
            return
        except Exception as error:
            if begun:
                raise
            failed = self._fast_paths.refuse(scope["path"], unexpected(error))
            await _send(failed, failed.all_headers, send_noted)


async def answer_through(request: Request, fast: FastRoute) -> Response:
    """Answer a fast route's request that came through FastAPI, such as below a mounted path.

    Raises:
        InferenceError: what the handler raises, for the application to answer.
    """
    state: ApplicationState = request.app.state.running
    require_media_type(request.scope["headers"], fast.media_types)
    request.scope[CALL] = replace(call_of(request.scope), protocol=fast.protocol)
    return to_response(await fast.handler(state, request.scope, request.receive))


def to_response(answered: FastResponse) -> Response:
    """The same answer as Starlette sends it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answered.headers}
    return Response(answered.body, answered.status, headers, answered.content_type.decode("latin-1"))


def own_refusal(error: InferenceError) -> FastResponse:
    """The error as this service's own paths say it."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()
    ]
    return FastResponse(error.status, msgspec.json.encode(error.document()), headers=headers)


def call_of(scope: Scope) -> Call:
    """The facts of the call that this request is."""
    call: Call = scope[CALL]
    return call


def unexpected(error: Exception) -> InferenceError:
    """What is said of an error that nobody expects; why is logged."""
    logger.error("A request failed", exc_info=error)
    return InferenceError(UNEXPECTED.error.message)


def _admission(state: ApplicationState, scope: Scope) -> AbstractContextManager[None]:
    """What lets this request in: probes, administration and whatever only reads are always let in."""
    asks = scope["method"] == "POST" and required_scope(scope["path"]) in ("predict", "events")
    return state.admission if asks else nullcontext()


async def _send(given: FastResponse, headers: Sequence[tuple[bytes, bytes]], send: Send) -> None:
    await send({"type": "http.response.start", "status": given.status, "headers": headers})
    await send({"type": "http.response.body", "body": given.body})
