"""What the service counts and times, for Prometheus."""

from collections.abc import Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from inference.prediction_log.answered import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inference.model_follower import ModelFollower
    from inference.prediction_log.writer import PredictionLog
    from inference.served_model import ServedModel

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
STAGES: Final = ("decode", "features", "score", "log", "total")
PREFIX: Final = "roundtrip"


class ServiceMetrics:
    """The service's own collector registry: one per application, so that two never count into each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Answered requests by route and status", "route", "code")
        self._predictions = self._counter("predictions", "Answered predictions by model version", "version")
        self._missing = self._counter("features_missing", "Features answered without a value", "feature")
        self._stale = self._counter("features_stale", "Features whose value had expired", "feature")
        self._defaulted = self._counter(
            "features_defaulted", "Features that could not be read and had their default", "feature"
        )
        self._degraded = self._counter("degraded_answers", "Predictions made while the online store was away")
        self._swaps = self._counter("model_loads", "Versions that were loaded and began to serve", "version")
        seconds = Histogram(
            f"{PREFIX}_stage_seconds",
            "Time of each stage of a prediction request",
            ["stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._stages = {stage: seconds.labels(stage) for stage in STAGES}
        self._model = Info(f"{PREFIX}_model", "The model that is served", registry=self.registry)
        self._loaded_at = self._gauge(
            "model_loaded_timestamp_seconds", "When the served model began to serve"
        )

    @contextmanager
    def timed(self, stage: str) -> "Iterator[None]":
        """Time one stage."""
        start = perf_counter()
        yield
        self.observe(stage, perf_counter() - start)

    def observe(self, stage: str, seconds: float) -> None:
        """Count one duration of a stage."""
        self._stages[stage].observe(seconds)

    def count_request(self, route: str, code: int) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(code)).inc()

    def count_answers(self, answers: Sequence[Answer]) -> None:
        """Count answered predictions, and the features they lacked."""
        for answer in answers:
            self._predictions.labels(answer.model_version).inc()
            for name in answer.missing:
                self._missing.labels(name).inc()
            for name in answer.stale:
                self._stale.labels(name).inc()
            for name in answer.defaulted:
                self._defaulted.labels(name).inc()
            self._degraded.inc(answer.degraded)

    def record_model(self, model: "ServedModel") -> None:
        """Say which model is served from now on."""
        contract = model.bundle.contract
        self._model.info(
            {
                "name": model.ref.name,
                "version": model.version,
                "family": contract.family,
                "as_of": contract.as_of.isoformat(),
            }
        )
        self._loaded_at.set(model.since.timestamp())
        self._swaps.labels(model.version).inc()

    def watch(self, follower: "ModelFollower", log: "PredictionLog") -> None:
        """Read the follower's and the log's state whenever the metrics are read."""
        self._gauge("follower_failures", "Failures of following the alias since the start").set_function(
            lambda: follower.state.failures_total
        )
        self._gauge("follower_failing", "1 while the alias cannot be followed").set_function(
            lambda: float(follower.trouble is not None)
        )
        self._gauge("online_store_away", "1 while features cannot be read").set_function(
            lambda: float(follower.served is not None and follower.served.reader.trouble is not None)
        )
        self._gauge("log_unsealed_segments", "Closed journal segments that wait to be sealed").set_function(
            lambda: log.unsealed_segments
        )
        self._gauge("log_lines", "Journal lines written since the start").set_function(lambda: log.lines)
        self._gauge("log_failing", "1 while a segment cannot be sealed").set_function(
            lambda: float(log.last_error is not None)
        )

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", description, registry=self.registry)
