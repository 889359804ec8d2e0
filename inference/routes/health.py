"""`/health/live` and `/health/ready`."""

from fastapi import APIRouter, Request

from inference.application_state import state_of
from inference.errors import ErrorDocument, NoModelError
from inference.responses import LiveDocument, ReadyDocument, describe_refusals

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def get_live() -> LiveDocument:
    """The process runs and answers."""
    return LiveDocument()


@router.get("/ready", responses=describe_refusals(ErrorDocument, {503: "No model is loaded yet."}))
async def get_ready(request: Request) -> ReadyDocument:
    """A model is loaded and warmed. Warnings name what fails meanwhile, such as reading the registry."""
    state = state_of(request)
    served = state.follower.served
    if served is None:
        raise NoModelError(state.follower.reason)
    troubles = (
        state.follower.trouble,
        served.reader.trouble,
        served.scorer.warning,
        state.log.last_error,
        state.log.torn,
        *state.access.troubles,
    )
    return ReadyDocument(
        model_version=served.version, warnings=tuple(trouble for trouble in troubles if trouble)
    )
