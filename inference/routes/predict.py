"""`POST /v1/predict`: answered at the front door, since it is the hot route; declared here for OpenAPI."""

from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope

from inference.application_state import ApplicationState
from inference.body import read_body
from inference.errors import ErrorDocument, ErrorItem, InvalidRequestError
from inference.front_door import HotResponse, HotRoute, answer_through, call_of
from inference.responses import PredictionsDocument, Responses, describe_refusals

router = APIRouter(prefix="/v1", tags=["predictions"])
PATH: Final = "/v1/predict"
EXPLAIN: Final = "explain"
REFUSALS: Final = {
    400: "The body is no JSON.",
    409: "A request id was answered before for other fields.",
    413: "Too many instances, or too many bytes.",
    422: "Not a request as described; `items` names each wrong field.",
    503: "No model yet, a broken feature repository, no prediction log, or more is asked than can be "
    "answered soon; `Retry-After` says when to ask again, where that is known.",
}
RESPONSES: Final[Responses] = {
    200: {"model": PredictionsDocument},
    **describe_refusals(ErrorDocument, REFUSALS),
}
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

_encode = msgspec.json.Encoder().encode


async def answer_predictions(state: ApplicationState, scope: Scope, receive: Receive) -> HotResponse:
    """Predict for one or many instances.

    Raises:
        InferenceError: what decoding or the core refuses.
    """
    body = await read_body(scope, receive, state.settings.max_body_bytes)
    call = call_of(scope)
    if scope["query_string"]:
        call = replace(call, explain=read_explain(scope["query_string"]))
    began = perf_counter()
    questions = state.schema.decode(body, datetime.now(UTC))
    ended = perf_counter()
    state.metrics.observe("decode", ended - began)
    if call.trace is not None:
        call.trace.stage("decode", began, ended)
    answers = await state.service.predict(questions, call)
    degraded = True in [answer.degraded for answer in answers]
    return HotResponse(200, _encode({"predictions": answers, "degraded": degraded}), answers=answers)


HOT: Final = HotRoute(answer_predictions, door="predict", route=PATH)


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
    return await answer_through(request, HOT)
