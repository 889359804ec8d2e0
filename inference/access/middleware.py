"""Asks every request that FastAPI answers for its credentials; the hot paths ask at the front door."""

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from inference.access.path_scopes import required_scope
from inference.errors import InferenceError
from inference.front_door import Refuse, to_response

if TYPE_CHECKING:
    from inference.application_state import ApplicationState


class AccessMiddleware:
    """ASGI middleware in front of routing, so that a path that nobody thought of is not open."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        """`refuse`: how an error is said where a path asked."""
        self._app, self._refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass; answer the rest with the error's document."""
        try:
            if scope["type"] == "http":
                require_access(scope)
        except InferenceError as error:
            await to_response(self._refuse(scope["path"], error))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def require_access(scope: Scope) -> None:
    """Check a request's headers against what its path asks for.

    Raises:
        InferenceError: one of `inference.access.errors`.
    """
    running: ApplicationState = scope["app"].state.running
    required = required_scope(scope["path"], running.settings.open_metrics)
    if required is not None:
        running.access.check(scope["headers"], required)
