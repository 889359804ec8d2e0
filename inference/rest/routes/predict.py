"""`POST /v1/predict`: answered on the fast path; declared here for OpenAPI."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec.structs import replace
from starlette.types import Receive, Scope

from inference.core.answer import Answer
from inference.documents import ErrorDocument, ErrorItem, Predictions
from inference.errors import InvalidRequestError, TooManyItemsError
from inference.model_loading.serving_set import ServingSet
from inference.observability.call import Call
from inference.prediction.micro_batching import Receiver
from inference.rest.application_state import ApplicationState
from inference.rest.body import read_request_body
from inference.rest.fast_path.middleware import FastResponse, FastRoute, answer_through, call_of
from inference.rest.responses import Responses, describe_refusals
from inference.validation.schema import Question

router = APIRouter(prefix="/v1", tags=["predictions"])
PATH: Final = "/v1/predict"
EXPLAIN: Final = "explain"
REFUSALS: Final = {
    400: "The body is no JSON, or no gzip though it says so.",
    409: "A request id was answered before for another request of the same caller.",
    413: "Too many instances, or too many bytes.",
    415: "Another content type than JSON, or another content encoding than gzip.",
    422: "Not a request as described; `items` names each wrong field.",
    503: "No model yet, a broken feature repository, no prediction log, or more is asked than can be "
    "answered soon; `Retry-After` says when to ask again, where that is known.",
}
RESPONSES: Final[Responses] = {
    200: {"model": Predictions},
    **describe_refusals(ErrorDocument, REFUSALS),
}
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

_encode = msgspec.json.Encoder().encode


async def answer_predictions(state: ApplicationState, scope: Scope, receive: Receive) -> FastResponse:
    """Predict for one or many instances.

    Raises:
        InferenceError: what decoding or the core refuses.
    """
    body = await read_request_body(state, scope, receive)
    call = call_of(scope)
    if scope["query_string"]:
        call = replace(call, explain=read_explain(scope["query_string"]))
    serving = state.follower.serving
    questions = _decode(state, call, body, serving)
    most = state.settings.max_explained_items
    if call.explain and len(questions) > most:
        raise TooManyItemsError(
            f"reasons of {len(questions)} instances in one request; ask for those of at most {most} at a time"
        )
    return await _predict(state, call, questions, serving)


def begin_predictions(
    state: ApplicationState, call: Call, body: bytes, receiver: Receiver[FastResponse]
) -> Awaitable[FastResponse] | None:
    """Predict for one or many instances whose body is there, without a task where that can be.

    Raises:
        InferenceError: what decoding refuses, or the model that serves.
    """
    serving = state.follower.serving
    questions = _decode(state, call, body, serving)
    if state.service.begin(questions, call, serving, AnswersReceiver(receiver)):
        return None
    return _predict(state, call, questions, serving)


FAST_ROUTE: Final = FastRoute(answer_predictions, protocol="roundtrip", route=PATH, begin=begin_predictions)


class AnswersReceiver:
    """Tells answers as the response that says them."""

    __slots__ = ("_receiver", "failed")

    def __init__(self, receiver: Receiver[FastResponse]) -> None:
        self._receiver, self.failed = receiver, receiver.failed

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the response."""
        return self._receiver.gone

    def answered(self, answers: Sequence[Answer]) -> None:
        """Tell the response."""
        self._receiver.answered(respond(answers))


def respond(answers: Sequence[Answer]) -> FastResponse:
    """The document of the answers."""
    degraded = True in [answer.degraded for answer in answers]
    return FastResponse(200, _encode({"predictions": answers, "degraded": degraded}), answers=answers)


def _decode(state: ApplicationState, call: Call, body: bytes, serving: ServingSet | None) -> list[Question]:
    began = perf_counter()
    inputs = None if serving is None or serving.challenger else serving.champion.inputs
    questions = state.schema.decode(body, datetime.now(UTC), inputs)
    ended = perf_counter()
    state.metrics.observe("decode", ended - began)
    if call.trace is not None:
        call.trace.stage("decode", began, ended)
    return questions


async def _predict(
    state: ApplicationState, call: Call, questions: Sequence[Question], serving: ServingSet | None
) -> FastResponse:
    return respond(await state.service.predict(questions, call, serving))


def read_explain(query: bytes) -> bool:
    """Whether a query string asks for reasons.

    Raises:
        InvalidRequestError: `explain` is neither true nor false.
    """
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(EXPLAIN, ["false"])
    asked = FLAGS.get(values[-1].lower())
    if asked is None:
        item = ErrorItem(
            index=0, field=EXPLAIN, code="wrong_type", message="send explain=true or explain=false"
        )
        raise InvalidRequestError(
            "the query is wrong, nothing was predicted; correct what items names", [item]
        )
    return asked


@router.post("/predict", response_class=Response, responses=RESPONSES)
async def create_predictions(
    request: Request,
    explain: Annotated[bool, Query(description="Whether each answer carries its reasons.")] = False,  # noqa: ARG001
) -> Response:
    """Predict for one or many instances. What is answered is in the prediction log before it is answered."""
    return await answer_through(request, FAST_ROUTE)
