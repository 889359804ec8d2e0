"""A worker that takes another's place listens once its model is loaded: until then others answer."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from inference.rest.application_state import ApplicationState

# The longest that a worker keeps from listening; /health/ready then says what it waits for.
LONGEST_WAIT: Final = 30.0
LOOK_SECONDS: Final = 0.02


class ReadyFirst:
    """The application, whose start is complete when a model is served, or is known not to be."""

    def __init__(self, app: Any, is_ending: Callable[[], bool]) -> None:
        """`app` keeps its parts in `app.state.running`, as `create_app` makes it."""
        self._app, self._is_ending = app, is_ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, the word that the start is complete in time."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_in_time(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._settled()
            await send(message)

        await self._app(scope, receive, send_in_time)

    async def _settled(self) -> None:
        state: ApplicationState = self._app.state.running
        until = monotonic() + LONGEST_WAIT
        while monotonic() < until and not self._is_ending():
            if state.follower.served is not None or state.follower.state.error is not None:
                return
            await asyncio.sleep(LOOK_SECONDS)
