"""What an adapter is: one wire format's way of asking and of being answered, without any other duty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from inference.core.answer import Answer
from inference.errors import InferenceError
from inference.observability.call import Call
from inference.protocols.errors import foreign_status
from inference.protocols.served_name import Address
from inference.rest.application_state import ApplicationState
from inference.rest.body import read_request_body
from inference.rest.fast_path.middleware import FastResponse, FastRoute, Handler, call_of
from inference.rest.media_type import MediaTypes

VERSION_HEADER: Final = "x-model-version"
DEGRADED_HEADER: Final = "x-degraded"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A request as it came: its body, its headers by lower-case name, the model that its path means."""

    body: bytes
    headers: Mapping[str, str]
    address: Address


class ProtocolAdapter(Protocol):
    """Decodes, asks the core, encodes."""

    @property
    def name(self) -> str:
        """As `Call.protocol` has it."""

    @property
    def media_types(self) -> MediaTypes:
        """The content types that it reads."""

    async def predict(self, state: ApplicationState, request: InferenceRequest, call: Call) -> FastResponse:
        """Answer a prediction request. Raises `InferenceError`."""

    def refuse(self, error: InferenceError) -> FastResponse:
        """The error as this protocol says it."""


def route_of(adapter: ProtocolAdapter, address: Address, route: str) -> FastRoute:
    """The route, by the path as it is counted, whose requests mean this model and go to an adapter."""
    return FastRoute(handler_of(adapter, address), adapter.name, route, media_types=adapter.media_types)


def handler_of(adapter: ProtocolAdapter, address: Address) -> Handler:
    """Takes requests whose path means this model to an adapter."""

    async def handle(state: ApplicationState, scope: Scope, receive: Receive) -> FastResponse:
        body = await read_request_body(state, scope, receive)
        request = InferenceRequest(body, Headers(scope=scope), address)
        return await adapter.predict(state, request, call_of(scope))

    return handle


def json_answer(document: Mapping[str, Any], answers: Sequence[Answer]) -> FastResponse:
    """A document with predictions, in JSON."""
    return FastResponse(200, _encode(document), headers=answer_headers(answers), answers=answers)


def json_refusal(error: InferenceError, document: Mapping[str, Any]) -> FastResponse:
    """A document that says what is wrong, in JSON."""
    return FastResponse(foreign_status(error), _encode(document), headers=_encoded(error.headers))


def answer_headers(
    answers: Sequence[Answer], others: Mapping[str, str] | None = None
) -> tuple[tuple[bytes, bytes], ...]:
    """What a caller should know and most protocols have no place for: the versions, and degradation."""
    versions = ", ".join(dict.fromkeys(answer.model_version for answer in answers))
    degraded = "true" if any(answer.degraded for answer in answers) else "false"
    return _encoded({VERSION_HEADER: versions, DEGRADED_HEADER: degraded, **(others or {})})


def _encoded(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
