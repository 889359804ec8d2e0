"""The protocol's calls over gRPC: what each answers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import grpc

from inference.access.caller import Scope
from inference.observability.call import Call
from inference.protocols.inference_requests import read_questions
from inference.protocols.open_inference.grpc_calls import Reply, Rpc, handler_of
from inference.protocols.open_inference.grpc_codec import read_inference, write_message
from inference.protocols.open_inference.grpc_messages import message_classes
from inference.protocols.open_inference.infer_request import InferLimits
from inference.protocols.open_inference.metadata import model_metadata, server_metadata
from inference.protocols.served_name import Address, addressed_model, require_version, signatures_of
from inference.rest.application_state import ApplicationState

PACKAGE: Final = "inference"
SERVICE: Final = f"{PACKAGE}.GRPCInferenceService"


class OpenInferenceService:
    """`inference.GRPCInferenceService`: thin, as the HTTP adapter is."""

    def __init__(self, state: ApplicationState) -> None:
        self._state, self._messages = state, message_classes()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given to answer this service's calls."""
        return handler_of(
            self._state,
            SERVICE,
            (
                self._rpc("ServerLive", self._server_live),
                self._rpc("ServerReady", self._server_ready),
                self._rpc("ServerMetadata", self._server_metadata, "predict"),
                self._rpc("ModelReady", self._model_ready, "predict"),
                self._rpc("ModelMetadata", self._model_metadata, "predict"),
                self._rpc("ModelInfer", self._model_infer, "predict", admitted=True),
            ),
        )

    def _rpc(
        self,
        name: str,
        answer: Callable[[Any, Call], Awaitable[Reply]],
        scope: Scope | None = None,
        admitted: bool = False,
    ) -> Rpc:
        request, response = (self._messages[f"{PACKAGE}.{name}{kind}"] for kind in ("Request", "Response"))
        return Rpc(name, request, response, answer, scope, admitted)

    async def _server_live(self, _message: Any, _call: Call) -> Reply:
        return Reply(self._messages[f"{PACKAGE}.ServerLiveResponse"](live=True))

    async def _server_ready(self, _message: Any, _call: Call) -> Reply:
        ready = self._state.follower.served is not None
        return Reply(self._messages[f"{PACKAGE}.ServerReadyResponse"](ready=ready))

    async def _server_metadata(self, _message: Any, _call: Call) -> Reply:
        return Reply(self._messages[f"{PACKAGE}.ServerMetadataResponse"](**server_metadata()))

    async def _model_ready(self, message: Any, _call: Call) -> Reply:
        addressed_model(self._state, Address(message.name, message.version))
        return Reply(self._messages[f"{PACKAGE}.ModelReadyResponse"](ready=True))

    async def _model_metadata(self, message: Any, _call: Call) -> Reply:
        model = addressed_model(self._state, Address(message.name, message.version))
        return Reply(self._messages[f"{PACKAGE}.ModelMetadataResponse"](**model_metadata(model)))

    async def _model_infer(self, message: Any, call: Call) -> Reply:
        state = self._state
        address = Address(message.model_name, message.model_version)
        model = addressed_model(state, address)
        signatures = signatures_of(state, model)
        with state.metrics.timed("decode", call.trace):
            request = read_inference(message, InferLimits(signatures, state.settings.max_items))
            questions = read_questions(request.table, signatures, state.schema, datetime.now(UTC))
        require_version(state, address, questions)
        answers = await state.service.predict(questions, call)
        return Reply(write_message(message.model_name, request, answers), answers)
