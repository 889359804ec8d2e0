"""The service's figures: counted as Prometheus would count them, cheaply, and once over all workers."""

import os
import re
import subprocess
import sys
import threading
import timeit
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.core.answer import Answer
from inference.observability.buffered_metrics import MOST_WAITING, BufferedCounter, BufferedHistogram
from inference.observability.gauges import WATCHED
from inference.observability.metrics import PREFIX, SECONDS, ServiceMetrics
from inference.settings import InferenceSettings
from tests.inference.running import ROOT, running_server
from tests.inference.world import instance

ALERTS = ROOT / "monitoring" / "ml" / "serving_alerts.yml"
VALUES = (0.0, 0.00001, 0.000011, 0.0005, 0.3, 2.5, 9.0)
STAGES = 8
WORKERS = 3
# One worker: counts what its argument says, shows what all counted.
WORKER = """
import sys
from inference.observability.metrics import ServiceMetrics
from inference.core.answer import Answer
metrics = ServiceMetrics()
for _ in range(int(sys.argv[1])):
    metrics.count_answers([Answer("a", 0.5, "7", (), (), (), False, "champion")], "grpc")
    metrics.observe("score", 0.003, "7", "champion")
metrics.close()
print(metrics.render().decode())
"""


def answer(**changes: object) -> Answer:
    given = {"model_version": "7", "role": "champion", "missing": (), "stale": (), "defaulted": ()} | changes
    return Answer(request_id="a", prediction=0.5, degraded=bool(given["defaulted"]), **given)  # type: ignore[arg-type]


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values in the order of their names."""
    families = text_string_to_metric_families(text)
    return {
        (it.name, *(it.labels[name] for name in sorted(it.labels))): it.value
        for family in families
        for it in family.samples
        if not it.name.endswith("_created")
    }


def exported(metrics: ServiceMetrics) -> dict[tuple[str, ...], float]:
    return figures(metrics.render().decode())


@pytest.mark.parametrize("times", [1, MOST_WAITING])
def test_tallies_publish_what_prometheus_itself_would_have_counted(times: int) -> None:
    values = VALUES * times
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallied, direct = (
        Histogram("seconds", "x", ["stage"], buckets=SECONDS, registry=registry).labels("score")
        for registry in (ours, theirs)
    )
    tally = BufferedHistogram(tallied, SECONDS)

    tally.observe(VALUES[0])
    tally.publish()
    for value in values[1:MOST_WAITING]:
        tally.observe(value)
    tally.observe_many(values[MOST_WAITING:])
    published = tally.publish()
    for value in values:
        direct.observe(value)

    assert figures(generate_latest(ours).decode()) == pytest.approx(figures(generate_latest(theirs).decode()))
    assert published == pytest.approx(sum(values[1:]))


def test_nothing_is_lost_between_threads_that_count_and_one_that_publishes() -> None:
    registry = CollectorRegistry()
    tally = BufferedCounter(Counter("asked", "x", ["protocol"], registry=registry))

    def count() -> None:
        for _ in range(20_000):
            tally.add(("roundtrip",))

    counting = [threading.Thread(target=count) for _ in range(4)]

    for thread in counting:
        thread.start()
    while any(thread.is_alive() for thread in counting):
        tally.publish()
    tally.publish()

    assert registry.get_sample_value("asked_total", {"protocol": "roundtrip"}) == 80_000


def test_answers_are_counted_by_version_role_and_protocol_with_what_they_lacked() -> None:
    metrics = ServiceMetrics()

    metrics.count_answers([answer(), answer(missing=("a",), stale=("b",))], "grpc")
    metrics.count_answers([answer(role="challenger", model_version="8", defaulted=("a", "c"))], "roundtrip")

    found = exported(metrics)
    assert found["roundtrip_predictions_total", "grpc", "champion", "7"] == 2
    assert found["roundtrip_predictions_total", "roundtrip", "challenger", "8"] == 1
    assert found["roundtrip_features_missing_total", "a"] == 1
    assert found["roundtrip_features_stale_total", "b"] == 1
    assert found["roundtrip_features_defaulted_total", "c"] == 1
    assert found["roundtrip_degraded_answers_total",] == 1


def test_stages_batches_and_refusals_are_told_apart() -> None:
    metrics = ServiceMetrics()

    metrics.observe("decode", 0.00003)
    metrics.observe("score", 0.004, "7", "shadow")
    metrics.observe_many("queue", [0.1, 0.2], "7", "champion")
    metrics.observe_batch(32, "7")
    metrics.count_refusal("overloaded", "roundtrip")

    found = exported(metrics)
    assert found["roundtrip_stage_seconds_count", "", "decode", ""] == 1
    assert found["roundtrip_stage_seconds_sum", "shadow", "score", "7"] == pytest.approx(0.004)
    assert found["roundtrip_stage_seconds_sum", "champion", "queue", "7"] == pytest.approx(0.3)
    assert found["roundtrip_batch_rows_bucket", "32.0", "7"] == 1
    assert found["roundtrip_batch_rows_bucket", "16.0", "7"] == 0
    assert found["roundtrip_refusals_total", "overloaded", "roundtrip"] == 1


def test_the_figures_of_a_request_cost_less_than_prometheus_would_take() -> None:
    metrics, registry = ServiceMetrics(), CollectorRegistry()
    direct = Histogram("seconds", "x", ["stage"], buckets=SECONDS, registry=registry).labels("score")

    def ours() -> None:
        for _ in range(STAGES):
            metrics.observe("score", 0.0004, "7", "champion")

    def theirs() -> None:
        for _ in range(STAGES):
            direct.observe(0.0004)

    rounds = [(timeit.timeit(ours, number=500), timeit.timeit(theirs, number=500)) for _ in range(7)]
    assert min(ours for ours, _ in rounds) < min(theirs for _, theirs in rounds)


def test_workers_figures_are_added_up_and_survive_a_worker(tmp_path: Path) -> None:
    sources = f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": sources}

    for worker in range(1, WORKERS + 1):
        ended = subprocess.run(
            [sys.executable, "-c", WORKER, str(worker)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    found, asked = figures(ended.stdout), sum(range(1, WORKERS + 1))
    assert found["roundtrip_predictions_total", "grpc", "champion", "7"] == asked
    assert found["roundtrip_stage_seconds_count", "champion", "score", "7"] == asked
    assert found["roundtrip_stage_seconds_sum", "champion", "score", "7"] == pytest.approx(0.003 * asked)
    assert found["roundtrip_cpu_seconds_total",] > 0


def test_every_serving_alert_names_figures_that_the_service_exports() -> None:
    metrics = ServiceMetrics()
    metrics.observe("total", 0.1)
    metrics.count_request("/v1/predict", 200)
    metrics.count_refusal("overloaded", "roundtrip")
    metrics.count_answers([answer(defaulted=("a",))])
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

    named = {name for rule in rules for name in re.findall(r"roundtrip_\w+", rule["expr"])}

    assert named
    watched = {f"{PREFIX}_{gauge.name}" for gauge in WATCHED}
    assert named <= watched | {name for name, *_ in exported(metrics)}


def test_refusals_are_counted_by_code_and_do_not_hide_how_long_answers_take(
    settings: InferenceSettings, champion: str
) -> None:
    with running_server(settings) as client:
        client.post("/v1/predict", json=instance())
        client.post("/v1/predict", content=b"{")
        client.post("/v1/predict", json=instance(spaces="many"))
        found = figures(client.get("/metrics").text)

    assert found["roundtrip_refusals_total", "malformed_json", "roundtrip"] == 1
    assert found["roundtrip_refusals_total", "invalid_request", "roundtrip"] == 1
    assert found["roundtrip_stage_seconds_count", "", "total", ""] == 1
    for stage in ("features", "queue", "score", "log"):
        assert found["roundtrip_stage_seconds_count", "champion", stage, "1"] == 1
    assert found["roundtrip_batch_rows_count", "1"] == 1
    assert found["roundtrip_predictions_total", "roundtrip", "champion", "1"] == 1
