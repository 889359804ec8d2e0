"""The protocol's calls over gRPC, each answered or refused with a status and what to do next."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final, Self

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext
from msgspec.structs import replace

from inference.access.caller import NOBODY, Scope
from inference.application_state import ApplicationState
from inference.call import Call
from inference.errors import UNEXPECTED, InferenceError, MalformedBodyError
from inference.prediction_log.answered import Answer
from inference.protocols.errors import one_message
from inference.protocols.open_inference.grpc_codec import read_message, write_message
from inference.protocols.open_inference.grpc_messages import SERVICE, message_classes
from inference.protocols.open_inference.infer_request import InferLimits
from inference.protocols.open_inference.metadata import model_metadata, server_metadata
from inference.protocols.questions import read_questions
from inference.protocols.served_address import Address, addressed_model, require_version, signatures_of

DOOR: Final = "grpc"
INFER: Final = "ModelInfer"
STATUS_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
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


Method = Callable[[Any, Call], Awaitable[Reply]]


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


class OpenInferenceService:
    """`inference.GRPCInferenceService`: thin, as the HTTP door is."""

    def __init__(self, state: ApplicationState) -> None:
        self._state, self._messages = state, message_classes()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given to answer this service's calls."""
        methods: dict[str, tuple[Method, Scope | None]] = {
            "ServerLive": (self._server_live, None),
            "ServerReady": (self._server_ready, None),
            "ServerMetadata": (self._server_metadata, "predict"),
            "ModelReady": (self._model_ready, "predict"),
            "ModelMetadata": (self._model_metadata, "predict"),
            INFER: (self._model_infer, "predict"),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE, {name: self._handler(name, *method) for name, method in methods.items()}
        )

    def _handler(self, name: str, method: Method, scope: Scope | None) -> grpc.RpcMethodHandler:
        async def answer(body: bytes, context: ServicerContext) -> Any:
            return await self._answer(name, method, scope, body, context)

        return grpc.unary_unary_rpc_method_handler(
            answer, response_serializer=self._messages[f"{name}Response"].SerializeToString
        )

    async def _answer(
        self, name: str, method: Method, scope: Scope | None, body: bytes, context: ServicerContext
    ) -> Any:
        headers, route, observer = _headers(context), f"/{SERVICE}/{name}", self._state.observer
        call = Call(perf_counter(), DOOR, request_id=observer.identify(headers))
        try:
            caller = self._state.access.check(headers, scope) if scope else NOBODY
            trace = observer.trace(headers, route, call.started)
            call = replace(call, caller=caller.id, trace=trace, detailed="admin" in caller.scopes)
            with self._state.admission if name == INFER else nullcontext():
                reply = await method(self._read(name, body), call)
        except Exception as error:
            refusal = Refusal.of(error, call.detailed)
        else:
            observer.answered(call, route, 200, reply.answers)
            return reply.message
        observer.answered(call, route, refusal.http_status, refusal=refusal.code)
        return await context.abort(refusal.status, refusal.message, refusal.trailers)

    def _read(self, name: str, body: bytes) -> Any:
        try:
            return self._messages[f"{name}Request"].FromString(body)
        except DecodeError as error:
            raise MalformedBodyError(f"the message is no {name}Request: {error}; send one") from error

    async def _server_live(self, _message: Any, _call: Call) -> Reply:
        return Reply(self._messages["ServerLiveResponse"](live=True))

    async def _server_ready(self, _message: Any, _call: Call) -> Reply:
        ready = self._state.follower.served is not None
        return Reply(self._messages["ServerReadyResponse"](ready=ready))

    async def _server_metadata(self, _message: Any, _call: Call) -> Reply:
        return Reply(self._messages["ServerMetadataResponse"](**server_metadata()))

    async def _model_ready(self, message: Any, _call: Call) -> Reply:
        addressed_model(self._state, Address(message.name, message.version))
        return Reply(self._messages["ModelReadyResponse"](ready=True))

    async def _model_metadata(self, message: Any, _call: Call) -> Reply:
        model = addressed_model(self._state, Address(message.name, message.version))
        return Reply(self._messages["ModelMetadataResponse"](**model_metadata(model)))

    async def _model_infer(self, message: Any, call: Call) -> Reply:
        state = self._state
        address = Address(message.model_name, message.model_version)
        model = addressed_model(state, address)
        signatures = signatures_of(state, model)
        with state.metrics.timed("decode", call.trace):
            request = read_message(message, InferLimits(signatures, state.settings.max_items))
            questions = read_questions(request.table, signatures, state.schema, datetime.now(UTC))
        require_version(state, address, questions)
        answers = await state.service.predict(questions, call)
        return Reply(write_message(message.model_name, request, answers), answers)


def _headers(context: ServicerContext) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in context.invocation_metadata() or ()
    ]
