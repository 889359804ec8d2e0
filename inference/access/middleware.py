"""Asks every request that FastAPI answers for its credentials; the fast path asks for itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from inference.access.path_scopes import HEALTH_PATHS, required_scope
from inference.errors import InferenceError

if TYPE_CHECKING:
    from inference.access.control import AccessControl

Refuse = Callable[[str, InferenceError], ASGIApp]


class AccessMiddleware:
    """ASGI middleware in front of routing, so that a path that nobody thought of is not open.

    The application's `state.access` is whom it asks.
    """

    def __init__(self, app: ASGIApp, refuse: Refuse, open_metrics: bool) -> None:
        """`refuse`: the response that says an error at a path."""
        self._app, self._refuse, self._open_metrics = app, refuse, open_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; answer the rest with the error's document."""
        try:
            if scope["type"] == "http":
                self._require_access(scope)
        except InferenceError as error:
            await self._refuse(scope["path"], error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _require_access(self, scope: Scope) -> None:
        access: AccessControl = scope["app"].state.access
        path, headers = scope["path"], scope["headers"]
        required = required_scope(path, self._open_metrics)
        if required is not None:
            access.check(headers, required)
        elif path not in HEALTH_PATHS:
            access.check_source(headers)
