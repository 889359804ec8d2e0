"""Traces from request to model, with OpenTelemetry; imported only where they are asked for.

Spans are made from times that were taken anyway, after the fact: what is not traced pays nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter_ns, time_ns
from typing import Final

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from inference.core.stage import Stage

SERVICE: Final = "roundtrip"
CARRIED: Final = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
SERVER_ERROR: Final = 500

Attributes = Mapping[str, str | int]


class Tracing:
    """Makes and exports traces; a caller's `traceparent` decides on sampling, else the ratio does."""

    def __init__(self, exporter: SpanExporter, ratio: float) -> None:
        """`ratio` is the share of the traces begun here that is kept, from 0 to 1."""
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: SERVICE}), sampler=ParentBased(TraceIdRatioBased(ratio))
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE)
        self._propagator = TraceContextTextMapPropagator()

    def begin(
        self, headers: Iterable[tuple[bytes, bytes]], route: str, started: float
    ) -> "RequestTrace | None":
        """Begin the span of a request that came at `started` (`perf_counter()`); `None` if not sampled."""
        named = {CARRIED[name]: value.decode("latin-1") for name, value in headers if name in CARRIED}
        span = self._tracer.start_span(
            route, self._propagator.extract(named), SpanKind.SERVER, start_time=_wall(started)
        )
        return RequestTrace(self._tracer, span) if span.is_recording() else None

    def close(self) -> None:
        """Export what waits."""
        self._provider.shutdown()


class RequestTrace:
    """The sampled trace of one request."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span = tracer, span
        self._context = set_span_in_context(span)

    @property
    def traceparent(self) -> str:
        """The W3C header that names this request's span."""
        named: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(named, self._context)
        return named["traceparent"]

    def stage(self, stage: Stage, started: float, ended: float, version: str = "", role: str = "") -> None:
        """Add the span of a stage between two `perf_counter()` times."""
        self._add(stage, started, ended, _model(version, role))

    def scored(
        self,
        others: "Sequence[RequestTrace]",
        started: float,
        ended: float,
        rows: int,
        version: str,
        role: str,
    ) -> None:
        """Add one run of a model that scored this request and `others` together.

        This trace has the run's span, linked to every request that it served; the others' `score` spans are
        linked to it.
        """
        attributes: Attributes = {**_model(version, role), "roundtrip.rows": rows}
        served = [trace._link() for trace in (self, *others)] if others else []
        run = self._add("score", started, ended, attributes, served)
        for trace in others:
            trace._add("score", started, ended, attributes, [Link(run.get_span_context())])

    def end(self, status: int, attributes: Attributes) -> None:
        """End the request's span with the status and the attributes that it came to."""
        self._span.set_attributes({"http.response.status_code": status, **attributes})
        if status >= SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def _add(
        self, name: str, started: float, ended: float, attributes: Attributes, links: Sequence[Link] = ()
    ) -> Span:
        span = self._tracer.start_span(
            name, self._context, attributes=attributes, links=links, start_time=_wall(started)
        )
        span.end(_wall(ended))
        return span

    def _link(self) -> Link:
        return Link(self._span.get_span_context())


def send_to(endpoint: str) -> SpanExporter:
    """An exporter to an OTLP collector's whole address, such as `http://127.0.0.1:4318/v1/traces`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint)


def _wall(moment: float) -> int:
    """Nanoseconds since the epoch of a `perf_counter()` time."""
    return time_ns() - perf_counter_ns() + int(moment * 1e9)


def _model(version: str, role: str) -> Attributes:
    named = {"roundtrip.model_version": version, "roundtrip.role": role}
    return {name: value for name, value in named.items() if value}
