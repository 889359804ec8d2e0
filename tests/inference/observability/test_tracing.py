"""Traces from request to model: the right spans, sampled, linked, sent to a collector, absent when off."""

import os
import subprocess
import sys
from asyncio import gather, run
from time import perf_counter

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from inference.core.answer import Answer
from inference.observability.call import Call
from inference.observability.observer import span_attributes
from inference.observability.tracing import RequestTrace, Tracing
from inference.settings import InferenceSettings
from tests.inference.running import ROOT, running_server
from tests.inference.scripted_server import ScriptedServer
from tests.inference.world import NOON, instance

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/v1/predict"
TOGETHER = 24
UNTRACED_START = """
import sys
from inference.observability.metrics import ServiceMetrics
from inference.observability.observer import open_observer
from inference.settings import InferenceSettings
observer = open_observer(InferenceSettings(), ServiceMetrics())
sampled = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
assert observer.trace([(b"traceparent", sampled)], "/", 0) is None
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def parent(sampled: bool) -> list[tuple[bytes, bytes]]:
    return [
        (b"host", b"here"),
        (b"traceparent", f"00-{TRACE_ID}-{PARENT_ID}-{'01' if sampled else '00'}".encode()),
    ]


def begun(tracing: Tracing, headers: list[tuple[bytes, bytes]] | None = None) -> RequestTrace:
    trace = tracing.begin(headers or [], ROUTE, perf_counter())
    assert trace is not None
    return trace


def ended(tracing: Tracing, exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    """The exported spans by name."""
    tracing.close()
    spans: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        spans.setdefault(span.name, []).append(span)
    return spans


def answer() -> Answer:
    return Answer("a", 0.5, "7", (), (), (), False, "challenger")


def test_a_request_is_one_span_with_a_child_for_each_stage(exporter: InMemorySpanExporter) -> None:
    tracing, started = Tracing(exporter, ratio=1.0), perf_counter()
    trace = tracing.begin([], ROUTE, started)
    assert trace is not None

    trace.stage("decode", started, started + 0.001)
    trace.stage("features", started + 0.001, started + 0.004, "7", "challenger")
    trace.scored([], started + 0.004, started + 0.005, 1, "7", "challenger")
    trace.end(200, span_attributes(Call(started, "roundtrip", "key-1", "request-1"), [answer()]))
    spans = ended(tracing, exporter)

    (request,) = spans[ROUTE]
    assert request.attributes == {
        "http.response.status_code": 200,
        "roundtrip.protocol": "roundtrip",
        "roundtrip.items": 1,
        "roundtrip.request_id": "request-1",
        "roundtrip.caller": "key-1",
        "roundtrip.model_version": "7",
        "roundtrip.role": "challenger",
    }
    children = [spans[name][0] for name in ("decode", "features", "score")]
    assert {child.parent.span_id for child in children if child.parent} == {request.context.span_id}
    lasted = [(child.end_time or 0) - (child.start_time or 0) for child in children]
    assert lasted == pytest.approx([1e6, 3e6, 1e6], abs=2e5)
    assert dict(children[1].attributes or {}) == {
        "roundtrip.model_version": "7",
        "roundtrip.role": "challenger",
    }
    assert not children[2].links


def test_the_callers_trace_is_gone_on_with_and_answered(exporter: InMemorySpanExporter) -> None:
    tracing = Tracing(exporter, ratio=0.0)

    trace = begun(tracing, parent(sampled=True))
    answered = trace.traceparent
    trace.end(200, {})
    (request,) = ended(tracing, exporter)[ROUTE]

    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE_ID
    assert f"{request.parent.span_id:016x}" == PARENT_ID
    assert answered == f"00-{TRACE_ID}-{request.context.span_id:016x}-01"


@pytest.mark.parametrize(
    ("headers", "ratio"), [(parent(sampled=False), 1.0), ([], 0.0), ([(b"traceparent", b"rubbish")], 0.0)]
)
def test_what_is_not_sampled_has_no_trace(
    exporter: InMemorySpanExporter, headers: list[tuple[bytes, bytes]], ratio: float
) -> None:
    tracing = Tracing(exporter, ratio)

    assert tracing.begin(headers, ROUTE, perf_counter()) is None
    assert not ended(tracing, exporter)


def test_a_batch_is_linked_to_every_request_that_it_served(exporter: InMemorySpanExporter) -> None:
    tracing = Tracing(exporter, ratio=1.0)
    traces, now = [begun(tracing) for _ in range(3)], perf_counter()

    traces[0].scored(traces[1:], now, now + 0.002, 3, "7", "champion")
    for trace in traces:
        trace.end(200, {})
    spans = ended(tracing, exporter)

    requests = {span.context.span_id: span for span in spans[ROUTE]}
    run, *others = sorted(spans["score"], key=lambda span: -len(span.links))
    assert {link.context.span_id for link in run.links} == set(requests)
    assert run.attributes is not None
    assert run.attributes["roundtrip.rows"] == 3
    assert len(others) == 2
    for other in others:
        assert [link.context.span_id for link in other.links] == [run.context.span_id]
    parents = {span.parent.span_id for span in spans["score"] if span.parent}
    assert parents == set(requests)


def test_a_failure_marks_the_span(exporter: InMemorySpanExporter) -> None:
    tracing = Tracing(exporter, ratio=1.0)

    begun(tracing).end(503, {})
    (request,) = ended(tracing, exporter)[ROUTE]

    assert not request.status.is_ok


def test_off_loads_nothing_of_opentelemetry() -> None:
    sources = f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}"
    said = subprocess.run(
        [sys.executable, "-c", UNTRACED_START],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert said.stdout.strip() == "[]"


def received(server: ScriptedServer) -> list[Span]:
    """Every span that the collector was sent."""
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in server.asked]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_served_request_reaches_the_collector_from_the_request_to_the_model(
    settings: InferenceSettings, champion: str
) -> None:
    with ScriptedServer(*[(200, {}, b"")] * 50) as collector:
        traced = settings.model_copy(update={"traces": f"{collector.url}/v1/traces", "trace_ratio": 0.0})
        with running_server(traced) as client:
            answered = client.post("/v1/predict", json=instance(), headers=dict(texts(parent(sampled=True))))
            untraced = client.post("/v1/predict", json=instance())
    spans = received(collector)

    (request,) = [span for span in spans if span.name == ROUTE]
    children = {span.name: span for span in spans if span.parent_span_id == request.span_id}
    assert request.trace_id.hex() == TRACE_ID
    assert request.parent_span_id.hex() == PARENT_ID
    assert answered.headers["traceparent"] == f"00-{TRACE_ID}-{request.span_id.hex()}-01"
    assert "traceparent" not in untraced.headers
    assert set(children) == {"decode", "features", "score", "log"}
    facts = {pair.key: pair.value.string_value for pair in children["score"].attributes}
    assert (facts["roundtrip.model_version"], facts["roundtrip.role"]) == ("1", "champion")
    assert request.start_time_unix_nano <= children["decode"].start_time_unix_nano
    assert children["log"].end_time_unix_nano <= request.end_time_unix_nano


def test_other_protocols_are_traced_alike(settings: InferenceSettings, champion: str) -> None:
    given = {"dataframe_records": [{**instance(), "prediction_time": NOON.isoformat()}]}
    with ScriptedServer(*[(200, {}, b"")] * 50) as collector:
        traced = settings.model_copy(update={"traces": f"{collector.url}/v1/traces"})
        with running_server(traced) as client:
            answered = client.post("/invocations", json=given)
    spans = received(collector)

    assert answered.status_code == 200, answered.text
    (request,) = [span for span in spans if not span.parent_span_id]
    assert {span.name for span in spans} == {request.name, "decode", "features", "score", "log"}


def test_requests_that_are_scored_together_are_linked_to_one_run(
    settings: InferenceSettings, champion: str
) -> None:
    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            await gather(*(client.post("/v1/predict", json=instance()) for _ in range(TOGETHER)))

    with ScriptedServer(*[(200, {}, b"")] * 50) as collector:
        traced = settings.model_copy(update={"traces": f"{collector.url}/v1/traces"})
        with running_server(traced) as client:
            run(ask(str(client.base_url)))
    spans = received(collector)

    requests = {span.span_id for span in spans if span.name == ROUTE}
    scored = [span for span in spans if span.name == "score"]
    runs = [span for span in scored if not {link.span_id for link in span.links} - requests]
    assert len(requests) == TOGETHER
    assert {span.parent_span_id for span in scored} == requests
    assert sum(rows_of(run) for run in runs) == TOGETHER
    served = [{link.span_id for link in run.links} or {run.parent_span_id} for run in runs]
    assert set().union(*served) == requests
    assert [len(links) for links in served] == [rows_of(run) for run in runs]


def rows_of(span: Span) -> int:
    return next(pair.value.int_value for pair in span.attributes if pair.key == "roundtrip.rows")


def texts(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in headers if name != b"host"]
