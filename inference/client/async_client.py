"""The client for programs that run an event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import httpx

from inference.client.blocking_client import CONNECTIONS, TIMEOUT
from inference.client.calls import (
    MODEL,
    READY,
    ServiceCall,
    credentials_of,
    events_call,
    predict_call,
    read_answer,
)
from inference.client.instances import Asked
from inference.client.retrying import NO_RETRIES, Outcome, RetryPolicy
from inference.documents import Model, Prediction, Predictions, Ready, Receipt

AsyncTokenProvider = Callable[[], Awaitable[str]]
AnswerType = TypeVar("AnswerType")


class AsyncRoundtripClient:
    """What `RoundtripClient` does, awaited. Use it in an `async with`, within one event loop."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: AsyncTokenProvider | None = None,
        timeout: float = TIMEOUT,
        retries: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        connections: int = CONNECTIONS,
    ) -> None:
        """As `RoundtripClient`; `token` is awaited for a bearer token before each attempt."""
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits)
        self._api_key, self._token, self._retries = api_key, token, retries

    async def predict(
        self, asked: Asked, *, explain: bool = False, request_id: str | None = None
    ) -> Prediction:
        """Predict one instance; `explain` asks for reasons, `request_id` names the call in the logs.

        Raises:
            RefusedError, NoAnswerError, UnreadableAnswerError: as `read_answer` says.
        """
        answer = await self.predict_many([asked], explain=explain, request_id=request_id)
        (prediction,) = answer.predictions
        return prediction

    async def predict_many(
        self, asked: Sequence[Asked], *, explain: bool = False, request_id: str | None = None
    ) -> Predictions:
        """Predict several instances, all or none; the answers come in their order."""
        return await self._answer(predict_call(asked, explain, request_id), Predictions, self._retries)

    async def send_events(self, events: Sequence[Mapping[str, object]]) -> Receipt:
        """Tell the service what happened; once this returns, it survives the service's death."""
        return await self._answer(events_call(events), Receipt, self._retries)

    async def model(self) -> Model:
        """What is served."""
        return await self._answer(ServiceCall("GET", MODEL), Model, self._retries)

    async def ready(self) -> Ready:
        """Whether the service can predict; asked once. Raises `NoModelError` while it cannot."""
        return await self._answer(ServiceCall("GET", READY), Ready, NO_RETRIES)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _answer(self, call: ServiceCall, kind: type[AnswerType], retries: RetryPolicy) -> AnswerType:
        attempt = 1
        outcome = await self._attempt(call)
        while (wait := retries.wait_after(outcome, attempt)) is not None:
            await asyncio.sleep(wait)
            attempt += 1
            outcome = await self._attempt(call)
        return read_answer(call, outcome, kind)

    async def _attempt(self, call: ServiceCall) -> Outcome:
        credentials = credentials_of(self._api_key, await self._token() if self._token else None)
        try:
            return await self._http.request(
                call.method,
                call.path,
                params=call.query,
                content=call.body,
                headers=call.headers(credentials),
            )
        except httpx.TransportError as error:
            return error
