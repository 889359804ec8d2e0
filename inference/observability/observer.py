"""Sees each request come and go: its id, its trace, its line in the log, its figures."""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Final

from inference.observability.errors import TracingUnavailableError
from inference.observability.metrics import ServiceMetrics
from inference.observability.request_ids import HEADER, RequestIds, current_request_id
from inference.observability.request_log import RequestLog, open_request_log
from inference.settings import InferenceSettings

if TYPE_CHECKING:
    from inference.core.answer import Answer
    from inference.observability.call import Call
    from inference.observability.tracing import RequestTrace, Tracing

OFF: Final = "off"
TRACEPARENT: Final = b"traceparent"
Headers = Iterable[tuple[bytes, bytes]]


def answer_headers(call: "Call") -> list[tuple[bytes, bytes]]:
    """What every answer says of its request: its id, and the span of it where it is traced."""
    named = [(HEADER, (call.request_id or "").encode())]
    return named if call.trace is None else [*named, (TRACEPARENT, call.trace.traceparent.encode())]


class RequestObserver:
    """Told when a request comes and when it was answered. What is off costs a comparison."""

    def __init__(
        self, metrics: ServiceMetrics, log: RequestLog | None = None, tracing: "Tracing | None" = None
    ) -> None:
        self._metrics, self._log, self._tracing = metrics, log, tracing
        self._ids = RequestIds()

    @property
    def trouble(self) -> str | None:
        """Why requests are not logged just now."""
        return None if self._log is None else self._log.trouble

    def identify(self, headers: Headers) -> str:
        """The request's id, which the log lines of this context carry from now on."""
        request_id = self.id_of(headers)
        current_request_id.set(request_id)
        return request_id

    def id_of(self, headers: Headers) -> str:
        """The request's id, given as `x-request-id` or made."""
        given = None
        for name, value in headers:
            if name == HEADER:
                given = value
                break
        return self._ids.take(given)

    def trace(self, headers: Headers, route: str, started: float) -> "RequestTrace | None":
        """The trace of a request that came at `started`, for its `Call`; `None` if it is not to be traced."""
        return None if self._tracing is None else self._tracing.begin(headers, route, started)

    def answered(
        self,
        call: "Call",
        route: str,
        status: int,
        answers: "Sequence[Answer]" = (),
        refusal: str | None = None,
    ) -> None:
        """Take down one answered request; `refusal` is the code of the error that it was answered with."""
        self._metrics.count_request(route, status)
        if refusal is None:
            self._metrics.observe("total", perf_counter() - call.started)
        else:  # quick refusals would hide how slow answers have become
            self._metrics.count_refusal(refusal, call.protocol)
        if self._log is not None:
            self._log.record(call, route, status, answers)
        if call.trace is not None:
            call.trace.end(status, span_attributes(call, answers))

    def passed_on(self, call: "Call", route: str, status: int) -> None:
        """Take down an answered request that is no prediction: no stage counts it, no trace shows it."""
        self._metrics.count_request(route, status)
        if self._log is not None:
            self._log.record(call, route, status)

    def close(self) -> None:
        """Write and export what waits."""
        if self._log is not None:
            self._log.close()
        if self._tracing is not None:
            self._tracing.close()


def open_observer(settings: InferenceSettings, metrics: ServiceMetrics) -> RequestObserver:
    """The observer that the settings ask for.

    Raises:
        TracingUnavailableError: traces are asked for without the libraries for them.
    """
    return RequestObserver(metrics, open_request_log(settings.request_log), _open_tracing(settings))


def _open_tracing(settings: InferenceSettings) -> "Tracing | None":
    if settings.traces == OFF:
        return None
    if find_spec("opentelemetry.sdk") is None:
        raise TracingUnavailableError(
            "ROUNDTRIP_TRACES needs OpenTelemetry; install the `tracing` extra, or set it to off"
        )
    from inference.observability.tracing import Tracing, send_to

    return Tracing(send_to(settings.traces), settings.trace_ratio)


def span_attributes(call: "Call", answers: "Sequence[Answer]") -> dict[str, str | int]:
    """What a request's span says of it."""
    named: dict[str, str | int] = {
        "roundtrip.protocol": call.protocol,
        "roundtrip.items": len(answers),
        "roundtrip.request_id": call.request_id or "",
        "roundtrip.caller": call.caller or "",
        "roundtrip.model_version": ",".join(sorted({answer.model_version for answer in answers})),
        "roundtrip.role": ",".join(sorted({answer.role for answer in answers})),
    }
    return {name: value for name, value in named.items() if value != ""}
