"""What the service counts and times, for Prometheus; on the fast path it costs a few plain additions."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inference.core.answer import Answer
from inference.core.stage import Stage
from inference.observability.buffered_metrics import BufferedCounter, BufferedHistogram
from inference.observability.cost import Prices, ResourceUse
from inference.observability.exposition import Exposition, are_workers_figures_shared
from inference.observability.gauges import WATCHED, GaugeMode

if TYPE_CHECKING:
    from inference.model_loading.model_follower import ModelFollower
    from inference.model_loading.served_model import ServedModel
    from inference.observability.tracing import RequestTrace
    from inference.prediction_log.writer import PredictionLog

logger = logging.getLogger(__name__)

PREFIX: Final = "roundtrip"
SECONDS: Final = (
    *(0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006),
    *(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
COUNTERS: Final = {
    "requests": ("Answered requests by route and status", ("route", "code")),
    "predictions": (
        "Answered predictions by version, role and protocol",
        ("version", "role", "protocol"),
    ),
    "refusals": (
        "Requests refused by error code: shed, limited, without a key and all others",
        ("code", "protocol"),
    ),
    "model_failures": (
        "Calls that a challenger or a shadow could not answer; the champion answers them",
        ("version", "role"),
    ),
    "shadows_dropped": ("Calls that were not scored unseen, since too many waited", ("version",)),
    "features_missing": ("Features answered without a value", ("feature",)),
    "features_stale": ("Features whose value had expired", ("feature",)),
    "features_defaulted": ("Features that could not be read and had their default", ("feature",)),
    "degraded_answers": ("Predictions made while the online store was away", ()),
    "model_loads": ("Versions that were loaded and began to serve", ("version",)),
}
MODEL_LABELS: Final = ("name", "version", "family", "as_of")
# Where several workers serve, what each counted is a worker's secret for so long.
PUBLISH_SECONDS: Final = 0.5


class ServiceMetrics:
    """The service's own collector registry: one per application, so that two never count into each other.

    Counting is cheap and buffered; `render` publishes first. Where several workers serve, each publishes
    every `PUBLISH_SECONDS`, and whichever is asked answers for all. The time in `score` and `log` is observed
    once for each batch, in the other stages once for each request.
    """

    def __init__(self, prices: Prices | None = None) -> None:
        self.registry = CollectorRegistry()
        self._exposition = Exposition(self.registry)
        self._counters = {name: self._counter(name) for name in COUNTERS}
        self._counters["degraded_answers"].add((), 0)
        self._seconds = self._histogram(
            "stage_seconds", "Time of each stage of a prediction", SECONDS, "stage", "version", "role"
        )
        self._rows = self._histogram("batch_rows", "Rows that were scored at once", ROWS, "version")
        self._stages: dict[tuple[str, str, str], BufferedHistogram] = {}
        self._batches: dict[str, BufferedHistogram] = {}
        self._use = ResourceUse(self.registry, prices or Prices())
        self._follower: ModelFollower | None = None
        self._model = self._gauge("model_info", "1 for the model that is served, 0 for former", *MODEL_LABELS)
        self._loaded_at = self._gauge("model_loaded_timestamp_seconds", "When the model began to serve")
        self._served: Gauge | None = None
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self._publishing, self._stop = Lock(), Event()
        self._publisher: Thread | None = None
        self.trouble: str | None = None

    @contextmanager
    def timed(self, stage: Stage, trace: "RequestTrace | None" = None) -> Iterator[None]:
        """Time a stage that ends well, for the trace of its request too."""
        began = perf_counter()
        yield
        ended = perf_counter()
        self.observe(stage, ended - began)
        if trace is not None:
            trace.stage(stage, began, ended)

    def observe(self, stage: Stage, seconds: float, version: str = "", role: str = "") -> None:
        """Count one duration of a stage; version and role where one model is meant."""
        key = (stage, version, role)
        (self._stages.get(key) or self._new_stage(key)).observe(seconds)

    def observe_many(
        self, stage: Stage, durations: Sequence[float], version: str = "", role: str = ""
    ) -> None:
        """Count durations of several requests at once."""
        key = (stage, version, role)
        (self._stages.get(key) or self._new_stage(key)).observe_many(durations)

    def observe_batch(self, rows: int, version: str) -> None:
        """Count one run of a model over so many rows."""
        (self._batches.get(version) or self._new_batches(version)).observe(rows)

    def count_request(self, route: str, code: int) -> None:
        """Count one answered request."""
        self._counters["requests"].add((route, str(code)))

    def count_refusal(self, code: str, protocol: str) -> None:
        """Count a request that was refused with an error's code."""
        self._counters["refusals"].add((code, protocol))

    def count_failure(self, version: str, role: str) -> None:
        """Count a call that a challenger or a shadow failed at."""
        self._counters["model_failures"].add((version, role))

    def count_dropped(self, version: str) -> None:
        """Count a call that was not scored unseen."""
        self._counters["shadows_dropped"].add((version,))

    def count_answers(self, answers: Sequence[Answer], protocol: str = "roundtrip") -> None:
        """Count answered predictions, and the features they lacked."""
        counters = self._counters
        counters["predictions"].add_each(
            [(answer.model_version, answer.role, protocol) for answer in answers]
        )
        flagged = [answer for answer in answers if answer.missing or answer.stale or answer.defaulted]
        if flagged:
            counters["features_missing"].add_each((name,) for answer in flagged for name in answer.missing)
            counters["features_stale"].add_each((name,) for answer in flagged for name in answer.stale)
            counters["features_defaulted"].add_each(
                (name,) for answer in flagged for name in answer.defaulted
            )
            counters["degraded_answers"].add_each(() for answer in flagged if answer.degraded)

    def record_model(self, model: "ServedModel") -> None:
        """Say which model is served from now on."""
        contract = model.bundle.contract
        if self._served is not None:
            self._served.set(0)
        self._served = self._model.labels(
            model.ref.name, model.version, contract.family, contract.as_of.isoformat()
        )
        self._served.set(1)
        self._loaded_at.set(model.since.timestamp())
        self._counters["model_loads"].add((model.version,))

    def watch(self, follower: "ModelFollower", log: "PredictionLog") -> None:
        """Read the follower's and the log's state whenever figures are published."""
        self._follower = follower
        for name, description, mode, read in WATCHED:
            gauge = self._gauge(name, description, mode=mode)
            former = _value(gauge)  # of the worker whose place this one has taken
            self._watched.append((gauge, partial(_read_on, read, former, follower, log)))
        if are_workers_figures_shared():
            self._publisher = Thread(target=self._publish_often, name="metrics", daemon=True)
            self._publisher.start()

    def publish(self) -> None:
        """Hand what was counted to Prometheus, and read what is watched."""
        with self._publishing:
            for counter in self._counters.values():
                counter.publish()
            for rows in list(self._batches.values()):
                rows.publish()
            self._use.publish(self._publish_stages())
            for gauge, read in self._watched:
                gauge.set(read())

    def render(self) -> bytes:
        """The metrics of all workers in Prometheus' text format."""
        self.publish()
        return self._exposition.render()

    def close(self) -> None:
        """Publish the last figures."""
        self._stop.set()
        if self._publisher is not None:
            self._publisher.join()
        self.publish()

    def _publish_often(self) -> None:
        while not self._stop.wait(PUBLISH_SECONDS):
            try:
                self.publish()
            except Exception as error:  # whatever it is, the next figures may be published
                if self.trouble is None:
                    logger.exception("Figures are not published")
                self.trouble = f"figures are not published: {type(error).__name__}: {error}"
            else:
                self.trouble = None

    def _publish_stages(self) -> float:
        """Publish the stages' times; the seconds in which models ran on a GPU."""
        versions, seconds_on_gpu = self._versions_on_gpu(), 0.0
        for (stage, version, _), tally in list(self._stages.items()):
            seconds = tally.publish()
            seconds_on_gpu += seconds if stage == "score" and version in versions else 0.0
        return seconds_on_gpu

    def _versions_on_gpu(self) -> set[str]:
        serving = self._follower.serving if self._follower else None
        models = (serving.champion, serving.challenger) if serving else ()
        return {model.version for model in models if model and model.scorer.device == "cuda"}

    def _new_stage(self, key: tuple[str, str, str]) -> BufferedHistogram:
        return self._stages.setdefault(key, BufferedHistogram(self._seconds.labels(*key), SECONDS))

    def _new_batches(self, version: str) -> BufferedHistogram:
        return self._batches.setdefault(version, BufferedHistogram(self._rows.labels(version), ROWS))

    def _counter(self, name: str) -> BufferedCounter:
        description, labels = COUNTERS[name]
        return BufferedCounter(Counter(f"{PREFIX}_{name}", description, labels, registry=self.registry))

    def _histogram(self, name: str, description: str, bounds: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", description, labels, buckets=bounds, registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str, mode: GaugeMode = "livemax") -> Gauge:
        return Gauge(f"{PREFIX}_{name}", description, labels, registry=self.registry, multiprocess_mode=mode)


def _value(gauge: Gauge) -> float:
    return sum(sample.value for metric in gauge.collect() for sample in metric.samples)


def _read_on(
    read: "Callable[[ModelFollower, PredictionLog], float]",
    former: float,
    follower: "ModelFollower",
    log: "PredictionLog",
) -> float:
    return former + read(follower, log)
