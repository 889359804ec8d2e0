"""Counts every answered request by route and status."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.application_state import ApplicationState


class RequestCounting:
    """ASGI middleware. Paths that no route answers are counted as one, so that callers cannot add series."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _count(scope, message["status"])
            await send(message)

        await self._app(scope, receive, send_counted)


def _count(scope: Scope, code: int) -> None:
    running: ApplicationState | None = getattr(scope["app"].state, "running", None)
    route = scope.get("route")
    if running is not None:
        running.metrics.count_request(getattr(route, "path", "unknown"), code)
