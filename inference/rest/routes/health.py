"""`/health/live` and `/health/ready`."""

from fastapi import APIRouter, Request

from inference.documents import ErrorDocument, Live, Ready
from inference.rest.application_state import state_of
from inference.rest.health_warnings import list_warnings
from inference.rest.responses import describe_refusals

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def get_live() -> Live:
    """The process runs and answers."""
    return Live()


@router.get("/ready", responses=describe_refusals(ErrorDocument, {503: "No model is loaded yet."}))
async def get_ready(request: Request) -> Ready:
    """A model is loaded and warmed. Warnings say what fails meanwhile, and why to the scope `admin`."""
    state = state_of(request)
    served = state.follower.require_serving().champion
    detailed = state.access.allows(request.scope["headers"], "admin")
    return Ready(model_version=served.version, warnings=list_warnings(state, served, detailed))
