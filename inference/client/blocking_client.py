"""The client for ordinary programs."""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

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

TokenProvider = Callable[[], str]
AnswerType = TypeVar("AnswerType")

TIMEOUT: Final = 10.0
CONNECTIONS: Final = 100


class RoundtripClient:
    """Asks one service over pooled connections; may be shared by threads. Close it, or use it in a `with`.

    A call that fails for a passing reason is sent again: predictions and events have ids and count once.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: TokenProvider | None = None,
        timeout: float = TIMEOUT,
        retries: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        connections: int = CONNECTIONS,
    ) -> None:
        """`url` is the service's root. `token` is asked for a bearer token before each attempt.

        `timeout` bounds connecting, sending, and the wait for each part of the answer, in seconds.
        """
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.Client(base_url=url, timeout=timeout, limits=limits)
        self._api_key, self._token, self._retries = api_key, token, retries

    def predict(self, asked: Asked, *, explain: bool = False, request_id: str | None = None) -> Prediction:
        """Predict one instance; `explain` asks for reasons, `request_id` names the call in the logs.

        Raises:
            RefusedError, NoAnswerError, UnreadableAnswerError: as `read_answer` says.
        """
        (prediction,) = self.predict_many([asked], explain=explain, request_id=request_id).predictions
        return prediction

    def predict_many(
        self, asked: Sequence[Asked], *, explain: bool = False, request_id: str | None = None
    ) -> Predictions:
        """Predict several instances, all or none; the answers come in their order."""
        return self._answer(predict_call(asked, explain, request_id), Predictions, self._retries)

    def send_events(self, events: Sequence[Mapping[str, object]]) -> Receipt:
        """Tell the service what happened; once this returns, it survives the service's death."""
        return self._answer(events_call(events), Receipt, self._retries)

    def model(self) -> Model:
        """What is served."""
        return self._answer(ServiceCall("GET", MODEL), Model, self._retries)

    def ready(self) -> Ready:
        """Whether the service can predict; asked once. Raises `NoModelError` while it cannot."""
        return self._answer(ServiceCall("GET", READY), Ready, NO_RETRIES)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, call: ServiceCall, kind: type[AnswerType], retries: RetryPolicy) -> AnswerType:
        attempt = 1
        outcome = self._attempt(call)
        while (wait := retries.wait_after(outcome, attempt)) is not None:
            time.sleep(wait)
            attempt += 1
            outcome = self._attempt(call)
        return read_answer(call, outcome, kind)

    def _attempt(self, call: ServiceCall) -> Outcome:
        credentials = credentials_of(self._api_key, self._token() if self._token else None)
        try:
            return self._http.request(
                call.method,
                call.path,
                params=call.query,
                content=call.body,
                headers=call.headers(credentials),
            )
        except httpx.TransportError as error:
            return error
