"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from inference.rest.application_state import state_of

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Counters and timings in Prometheus' text format."""
    return Response(state_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)
