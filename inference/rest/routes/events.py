"""`/v1/events`: what happens is told to the feature repository, whose features follow it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, Request

from inference.documents import ErrorDocument, Receipt
from inference.events.intake import EventIntake
from inference.prediction.bounded_threads import BoundedThreads
from inference.rest.application_state import state_of
from inference.rest.body import read_request_body
from inference.rest.media_type import JSON_ONLY, require_media_type
from inference.rest.responses import describe_refusals

REFUSALS: Final = {
    400: "The body is no JSON, or no gzip though it says so.",
    404: "The feature repository takes no events.",
    409: "An event id was taken before for another event.",
    413: "Too many events, or too many bytes.",
    415: "Another content type than JSON, or another content encoding than gzip.",
    422: "An event is not as the schema says, or cannot be true; `items` names each wrong field.",
    503: "Events cannot be made durable here, or too many wait; `Retry-After` says when to ask again.",
}
RESPONSES: Final = describe_refusals(ErrorDocument, REFUSALS)
BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "One event, or many as `events`, where the feature repository takes any.",
            }
        }
    },
}


# Calls that take events in at once, and those that may wait for that.
THREADS: Final = 4
WAITING_CALLS: Final = 64


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.events = EventIntake(app.state.running.settings)
    app.state.event_threads = BoundedThreads("event-intake", THREADS, WAITING_CALLS)
    yield
    await run_sync(app.state.event_threads.close)
    await run_sync(app.state.events.close)


router = APIRouter(prefix="/v1/events", tags=["events"], lifespan=_lifespan)


@router.post("", responses=RESPONSES, openapi_extra={"requestBody": BODY})
async def create_events(request: Request) -> Receipt:
    """Take one or many events in, all or none. What is acknowledged survives the death of the service."""
    state, threads = state_of(request), request.app.state.event_threads
    require_media_type(request.scope["headers"], JSON_ONLY)
    body = await read_request_body(state, request.scope, request.receive)
    with state.admission.outside_turns(1):
        receipt = await threads.run(_intake(request).take, body)
    return Receipt(accepted=receipt.accepted, duplicates=receipt.duplicates)


@router.get("/schema", responses={404: RESPONSES[404]})
async def get_schema(request: Request) -> dict[str, Any]:
    """The JSON schema of a list of events, as the feature repository declares them."""
    return await run_sync(_intake(request).schema)


def _intake(request: Request) -> EventIntake:
    intake: EventIntake = request.app.state.events
    return intake
