"""One call as both clients make it: what is sent, and what the answer means."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import uuid4

import httpx
import msgspec

from inference.client.errors import NoAnswerError, RefusedError, UnreadableAnswerError, error_class
from inference.client.instances import Asked, encode_instances
from inference.client.retrying import Outcome, retry_after
from inference.documents import ErrorDocument

PREDICT: Final = "/v1/predict"
MODEL: Final = "/v1/model"
READY: Final = "/health/ready"
EVENTS: Final = "/v1/events"
TRACE_LIBRARY: Final = "opentelemetry.propagate"

AnswerType = TypeVar("AnswerType")


@dataclass(frozen=True)
class ServiceCall:
    """A request that may be sent again as it is; every attempt has the same `x-request-id`."""

    method: str
    path: str
    body: bytes | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    request_id: str = field(default_factory=lambda: uuid4().hex)

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """The request's headers."""
        kind = {"content-type": "application/json"} if self.body is not None else {}
        return {"x-request-id": self.request_id, **kind, **trace_headers(), **credentials}


def predict_call(asked: Iterable[Asked], explain: bool, request_id: str | None) -> ServiceCall:
    """Ask for predictions."""
    query = {"explain": "true"} if explain else {}
    return ServiceCall("POST", PREDICT, encode_instances(asked), query, request_id or uuid4().hex)


def events_call(events: Sequence[Mapping[str, object]]) -> ServiceCall:
    """Tell events; each has its `event_id`, so that a repetition counts once."""
    return ServiceCall("POST", EVENTS, msgspec.json.encode({"events": list(events)}))


def credentials_of(api_key: str | None, token: str | None) -> dict[str, str]:
    """The headers of an API key or of a bearer token."""
    if token is not None:
        return {"authorization": f"Bearer {token}"}
    return {} if api_key is None else {"x-api-key": api_key}


def trace_headers() -> dict[str, str]:
    """`traceparent` of the current span, where the program has loaded OpenTelemetry."""
    library = sys.modules.get(TRACE_LIBRARY)
    named: dict[str, str] = {}
    if library is not None:
        library.inject(named)
    return named


def read_answer(call: ServiceCall, outcome: Outcome, kind: type[AnswerType]) -> AnswerType:
    """The typed answer.

    Raises:
        NoAnswerError: there was none.
        RefusedError: the service answered with an error; the class follows from its code.
        UnreadableAnswerError: the answer is not as described.
    """
    if not isinstance(outcome, httpx.Response):
        raise NoAnswerError(
            f"{call.path} was not answered: {type(outcome).__name__} {outcome}".rstrip()
            + f" (request {call.request_id})"
        ) from outcome
    try:
        if outcome.is_success:
            return msgspec.json.decode(outcome.content, type=kind)
        raise _refusal(call, outcome)
    except msgspec.DecodeError as error:
        raise UnreadableAnswerError(
            f"{call.path} answered {outcome.status_code}, but not as described: {error}"
            f" (request {call.request_id})"
        ) from error


def _refusal(call: ServiceCall, response: httpx.Response) -> RefusedError:
    body = msgspec.json.decode(response.content, type=ErrorDocument).error
    return error_class(body.code)(response.status_code, body, call.request_id, retry_after(response))
