"""The monitor's HTTP API: evaluate a window, read the decisions, scrape the figures.

Callers are those of the service, and need its scope `admin`: a decision has a model trained.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Thread
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.bundle.errors import BundleError
from contracts.errors import ContractError
from features.errors import FeatureError
from inference.access.control import AccessControl
from inference.access.description import describe_access
from inference.access.middleware import AccessMiddleware
from inference.errors import InferenceError
from inference.prediction_log.errors import PredictionLogError
from inference.rest.head_requests import HeadRequests
from inference.rest.media_type import JSON_ONLY, require_media_type
from inference.rest.responses import describe_refusals
from monitoring.ml.decisions.record import Decision
from monitoring.ml.decisions.trigger import load_orchestrator
from monitoring.ml.drift.evidently_library import load_evidently
from monitoring.ml.errors import MonitoringError, WindowError
from monitoring.ml.monitor import Monitor
from monitoring.ml.server.metrics import make_registry
from monitoring.ml.settings import MonitoringSettings

KNOWN_ERRORS = (MonitoringError, ContractError, BundleError, PredictionLogError, FeatureError)
REFUSALS: Final = {
    400: "The window has not ended, or lies out of range; nothing is recorded.",
    415: "Another content type than JSON.",
    503: "Nothing can be decided just now.",
}


class EvaluateRequest(BaseModel):
    """Which window to decide on: the one that ends at `as_of`, with what was known then."""

    model_config = ConfigDict(extra="forbid")

    as_of: AwareDatetime


class ReportState(BaseModel):
    """How the background reports are doing."""

    pending: int
    failures: int
    last_error: str | None


class Health(BaseModel):
    """The process is up; `/v1/reports` says how it goes."""

    status: str = "ok"


class ErrorAnswer(BaseModel):
    """What went wrong and what to do next; `error` is the typed error's name."""

    error: str
    detail: str


def create_app(settings: MonitoringSettings) -> FastAPI:
    """The application around one monitor, which lives as long as it does."""
    app = FastAPI(title="Monitor", lifespan=_lifespan(settings))
    app.include_router(router)
    app.add_middleware(
        AccessMiddleware, refuse=_respond_refusal, open_metrics=settings.inference.open_metrics
    )
    app.add_middleware(HeadRequests)
    for error in KNOWN_ERRORS:
        app.add_exception_handler(error, _answer_error)
    app.add_exception_handler(InferenceError, _answer_refusal)
    describe_access(app, settings.inference, lambda _path: ErrorAnswer)
    return app


router = APIRouter()


def get_monitor(request: Request) -> Monitor:
    """The process's monitor."""
    monitor: Monitor = request.app.state.monitor
    return monitor


def get_registry(request: Request) -> CollectorRegistry:
    """The process's Prometheus registry."""
    registry: CollectorRegistry = request.app.state.registry
    return registry


CurrentMonitor = Annotated[Monitor, Depends(get_monitor)]
CurrentRegistry = Annotated[CollectorRegistry, Depends(get_registry)]


def require_json(request: Request) -> None:
    """Refuse a body of any other type: a page may send it to other sites unasked."""
    require_media_type(request.scope["headers"], JSON_ONLY)


@router.post(
    "/v1/evaluate",
    dependencies=[Depends(require_json)],
    responses=describe_refusals(ErrorAnswer, REFUSALS),
)
def evaluate_window(asked: EvaluateRequest, monitor: CurrentMonitor) -> Decision:
    """Decide on the window that ended at `as_of`; asking again returns the recorded decision."""
    return monitor.evaluate(asked.as_of)


@router.get("/v1/decisions")
def list_decisions(monitor: CurrentMonitor) -> list[Decision]:
    """Every decision, by window end."""
    return monitor.decisions.read()


@router.get("/v1/reports")
def await_reports(
    monitor: CurrentMonitor, wait_seconds: Annotated[float, Query(ge=0, le=300)] = 0
) -> ReportState:
    """How many windows' reports are still to be written, after waiting up to `wait_seconds` for none."""
    monitor.reports.wait(wait_seconds)
    return _report_state(monitor)


@router.get("/health/live")
def read_health() -> Health:
    """Whether the process is up."""
    return Health()


@router.get("/metrics")
def read_metrics(registry: CurrentRegistry) -> Response:
    """The figures of the newest decision, for Prometheus."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _lifespan(settings: MonitoringSettings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        monitor = Monitor(settings)
        access = AccessControl.configured(settings.inference, settings.monitor_host)
        app.state.monitor, app.state.registry, app.state.access = monitor, make_registry(monitor), access
        Thread(target=_load_libraries, name="load-libraries", daemon=True).start()
        yield
        access.close()
        monitor.close()

    return lifespan


def _load_libraries() -> None:
    """Import what takes seconds before the first evaluation asks for it."""
    load_evidently()
    load_orchestrator()


def _report_state(monitor: Monitor) -> ReportState:
    reports = monitor.reports
    return ReportState(pending=reports.pending, failures=reports.failures, last_error=reports.last_error)


async def _answer_error(_request: Request, error: Exception) -> JSONResponse:
    return _respond(error, 400 if isinstance(error, WindowError) else 503)


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, InferenceError):
        raise error
    return _respond_refusal(request.url.path, error)


def _respond_refusal(_path: str, error: InferenceError) -> JSONResponse:
    return _respond(error, error.status, error.headers)


def _respond(error: Exception, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    answer = ErrorAnswer(error=type(error).__name__, detail=str(error))
    return JSONResponse(answer.model_dump(), status, headers)
