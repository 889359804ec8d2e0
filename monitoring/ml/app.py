"""The monitor's HTTP API: evaluate a window, read the decisions, scrape the figures."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Thread
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AwareDatetime, BaseModel, ConfigDict

from features.errors import FeatureError
from inference.head_requests import HeadRequests
from inference.prediction_log.errors import PredictionLogError
from monitoring.ml.decisions import Decision
from monitoring.ml.errors import MonitoringError
from monitoring.ml.evidently_library import load_evidently
from monitoring.ml.metrics import make_registry
from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.trigger import load_orchestrator
from training.bundle.errors import BundleError
from training.errors import TrainingError

KNOWN_ERRORS = (MonitoringError, TrainingError, BundleError, PredictionLogError, FeatureError)


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
    """The process is up."""

    status: str
    problem: str
    reports: ReportState


class ErrorAnswer(BaseModel):
    """What went wrong and what to do next; `error` is the typed error's name."""

    error: str
    detail: str


def create_app(settings: MonitoringSettings) -> FastAPI:
    """The application around one monitor, which lives as long as it does."""
    app = FastAPI(title="Monitor", lifespan=_lifespan(settings))
    app.include_router(router)
    app.add_middleware(HeadRequests)
    for error in KNOWN_ERRORS:
        app.add_exception_handler(error, _answer_error)
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


@router.post("/v1/evaluate", responses={503: {"model": ErrorAnswer}})
def evaluate_window(asked: EvaluateRequest, monitor: CurrentMonitor) -> Decision:
    """Decide on the window that ends at `as_of`; asking again returns the recorded decision."""
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
def read_health(monitor: CurrentMonitor) -> Health:
    """Whether the process is up."""
    return Health(status="ok", problem=monitor.problem.name, reports=_report_state(monitor))


@router.get("/metrics")
def read_metrics(registry: CurrentRegistry) -> Response:
    """The figures of the newest decision, for Prometheus."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _lifespan(settings: MonitoringSettings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        monitor = Monitor(settings)
        app.state.monitor, app.state.registry = monitor, make_registry(monitor)
        Thread(target=_load_libraries, name="load-libraries", daemon=True).start()
        yield
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
    answer = ErrorAnswer(error=type(error).__name__, detail=str(error))
    return JSONResponse(answer.model_dump(), status_code=503)
