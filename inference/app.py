"""The application: its routes, its life, and how errors are answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from contracts.problem import load_problem
from inference.access.description import describe_access
from inference.access.middleware import AccessMiddleware
from inference.access.path_scopes import DOCS_PARTS
from inference.errors import InferenceError
from inference.protocols.endpoints import ROUTERS, fast_routes
from inference.protocols.error_responses import refusal_at, refusal_document, routing_error
from inference.rest.application_state import start_state
from inference.rest.fast_path.middleware import FastPathMiddleware, FastPaths, to_response
from inference.rest.head_requests import HeadRequests
from inference.rest.openapi import describe_events, describe_requests
from inference.rest.responses import API_VERSION
from inference.rest.routes import events, health, metrics, model, predict
from inference.settings import InferenceSettings
from inference.validation.schema import RequestSchema


def create_app(settings: InferenceSettings) -> FastAPI:
    """The service for `settings.problem`; it starts following the registry when the server starts it.

    Raises:
        ProblemError: the problem cannot be loaded, or names a field as requests do.
    """
    problem = load_problem(settings.problem)
    schema = RequestSchema(problem, settings.replay, settings.max_items)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.running = await run_sync(start_state, settings, problem, schema)
        app.state.access = app.state.running.access
        yield
        await run_sync(app.state.running.close)

    # Its pages' parts come from the package: they open without the internet.
    app = FastAPIOffline(
        title=problem.title, version=API_VERSION, lifespan=lifespan, redoc_url=None, static_url=DOCS_PARTS
    )
    for routes in (predict, events, model, health, metrics):
        app.include_router(routes.router)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(AccessMiddleware, refuse=_respond_refusal, open_metrics=settings.open_metrics)
    fast = {("POST", predict.PATH): predict.FAST_ROUTE, **fast_routes(problem)}
    app.state.fast_paths = FastPaths(fast, refusal_at)
    app.add_middleware(FastPathMiddleware, fast_paths=app.state.fast_paths)
    app.add_middleware(HeadRequests)
    app.add_exception_handler(InferenceError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    describe_access(app, settings, refusal_document)
    describe_events(app, settings.features, settings.max_items)
    describe_requests(app, schema)
    return app


def _respond_refusal(path: str, error: InferenceError) -> Response:
    return to_response(refusal_at(path, error))


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, InferenceError):
        raise error
    if error.detail and request.app.state.access.allows(request.scope["headers"], "admin"):
        error = error.in_detail()
    return _respond_refusal(request.url.path, error)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return await _answer_error(request, routing_error(error))
