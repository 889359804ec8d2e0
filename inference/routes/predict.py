"""`POST /v1/predict`: decoded outside FastAPI's machinery, since it is the hot route."""

from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from inference.application_state import ApplicationState, state_of
from inference.body import read_body
from inference.call import Call
from inference.errors import ErrorDocument
from inference.prediction_log.answered import Answer
from inference.responses import PredictionsDocument

router = APIRouter(prefix="/v1", tags=["predictions"])
REFUSALS: Final = {
    400: "The body is no JSON.",
    409: "A request id was answered before for other fields.",
    413: "Too many instances, or too many bytes.",
    422: "Not a request as described; `items` names each wrong field.",
    503: "No model yet, a broken feature repository, or no prediction log.",
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": PredictionsDocument},
    **{code: {"model": ErrorDocument, "description": text} for code, text in REFUSALS.items()},
}

_encode = msgspec.json.Encoder().encode


@router.post("/predict", response_class=Response, responses=RESPONSES)
async def create_predictions(request: Request) -> Response:
    """Predict for one or many instances. What is answered is in the prediction log before it is answered."""
    call = Call(perf_counter())
    state = state_of(request)
    answers = await _answer(state, await read_body(request, state.settings.max_body_bytes), call)
    state.metrics.observe("total", perf_counter() - call.started)
    degraded = any(answer.degraded for answer in answers)
    return Response(_encode({"predictions": answers, "degraded": degraded}), media_type="application/json")


async def _answer(state: ApplicationState, body: bytes, call: Call) -> tuple[Answer, ...]:
    with state.metrics.timed("decode"):
        questions = state.schema.decode(body, datetime.now(UTC))
    if len(questions) <= state.settings.inline_items:
        return await state.service.predict(questions, call)
    return await run_sync(state.service.predict_blocking, questions, call)
