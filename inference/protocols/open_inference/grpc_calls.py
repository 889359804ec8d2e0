"""How a gRPC call is answered: its caller is known before its message is read, and a refusal has a status."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Self

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext
from msgspec.structs import replace

from inference.access.caller import NOBODY, Scope
from inference.core.answer import Answer
from inference.errors import UNEXPECTED, InferenceError, MalformedBodyError
from inference.observability.call import Call
from inference.protocols.errors import one_message
from inference.protocols.open_inference.grpc_reading import FRAME_BYTES, read_message
from inference.rest.application_state import ApplicationState

PROTOCOL: Final = "grpc"
# For the message of a caller who has shown no key: a probe's comes with its call.
STRANGERS_SECONDS: Final = 1.0
STATUS_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """A call's answer, and the predictions in it."""

    message: Any
    answers: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call of a service: its messages, who answers it, what that asks of the caller (`None`: nothing).

    `admitted`: it is refused in overload.
    """

    name: str
    request: Any
    response: Any
    answer: Callable[[Any, Call], Awaitable[Reply]]
    scope: Scope | None = None
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error comes down to. The error itself, if kept, would keep its message's every tensor."""

    status: grpc.StatusCode
    http_status: int
    code: str
    message: str
    trailers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, error: Exception, detailed: bool) -> Self:
        """The refusal that an error means; one that was not expected is logged."""
        if not isinstance(error, InferenceError):
            logger.exception("A gRPC call failed", exc_info=error)
            error = InferenceError(UNEXPECTED.error.message)
        elif detailed:
            error = error.in_detail()
        status = STATUS_CODES.get(error.status, grpc.StatusCode.INTERNAL)
        trailers = tuple((name.lower(), value) for name, value in error.headers.items())
        return cls(status, error.status, error.code, one_message(error), trailers)


def handler_of(state: ApplicationState, service: str, rpcs: Iterable[Rpc]) -> grpc.GenericRpcHandler:
    """What a server is given to answer a service's calls."""
    return grpc.method_handlers_generic_handler(
        service, {rpc.name: _handler(CallHandler(state, f"/{service}/{rpc.name}", rpc)) for rpc in rpcs}
    )


def _handler(handler: "CallHandler") -> grpc.RpcMethodHandler:
    async def answer(_messages: AsyncIterator[bytes], context: ServicerContext) -> Any:
        return await handler.answer(context)

    # One message on the wire. Were it declared so, gRPC would call the handler once it holds all of it,
    # whoever sends it.
    return grpc.stream_unary_rpc_method_handler(
        answer, response_serializer=handler.rpc.response.SerializeToString
    )


class CallHandler:
    """Answers one call of a service."""

    def __init__(self, state: ApplicationState, route: str, rpc: Rpc) -> None:
        self._state, self._route, self.rpc = state, route, rpc

    async def answer(self, context: ServicerContext) -> Any:
        """The response, or the call's end with a status."""
        headers, observer, scope = _headers(context), self._state.observer, self.rpc.scope
        call = Call(perf_counter(), PROTOCOL, request_id=observer.identify(headers))
        try:
            caller = self._state.access.check(headers, scope) if scope else NOBODY
            trace = observer.trace(headers, self._route, call.started)
            call = replace(call, caller=caller.id, trace=trace, detailed="admin" in caller.scopes)
            with self._state.admission if self.rpc.admitted else nullcontext():
                reply = await self.rpc.answer(self._parse(await self._read(context)), call)
        except Exception as error:
            refusal = Refusal.of(error, call.detailed)
        else:
            observer.answered(call, self._route, 200, reply.answers)
            return reply.message
        observer.answered(call, self._route, refusal.http_status, refusal=refusal.code)
        # Not `abort`: the call would keep its error, and with it itself; its stream would count as one of the
        # connection's until the garbage collector comes by.
        context.set_code(refusal.status)
        context.set_details(refusal.message)
        context.set_trailing_metadata(refusal.trailers)
        return None

    async def _read(self, context: ServicerContext) -> bytes:
        if not self.rpc.request.DESCRIPTOR.fields:
            return b""
        settings, admission = self._state.settings, self._state.admission
        seconds = settings.receive_seconds if self.rpc.scope else STRANGERS_SECONDS
        with admission.outside_turns(1) if self.rpc.admitted else nullcontext():
            return await read_message(context, seconds, settings.max_body_bytes + FRAME_BYTES)

    def _parse(self, body: bytes) -> Any:
        try:
            return self.rpc.request.FromString(body)
        except DecodeError as error:
            name = self.rpc.request.DESCRIPTOR.name
            raise MalformedBodyError(f"the message is no {name}: {error}; send one") from error


def _headers(context: ServicerContext) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in context.invocation_metadata() or ()
    ]
