"""What the service counts and times, for Prometheus; on the hot path it costs a few plain additions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MutexValue, ValueClass

from inference.observability.tallies import CounterTally, HistogramTally
from inference.prediction_log.answered import Answer

if TYPE_CHECKING:
    from inference.model_follower import ModelFollower
    from inference.prediction_log.writer import PredictionLog
    from inference.served_model import ServedModel

Stage = Literal["decode", "access", "features", "queue", "score", "explain", "log", "total"]

SECONDS: Final = (
    *(0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006),
    *(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
PREFIX: Final = "roundtrip"
# Set before prometheus_client is imported, it makes each worker write its figures into this folder.
WORKERS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
PUBLISH_SECONDS: Final = 0.5

# How the workers' values become one.
GaugeMode = Literal["livemax", "livesum", "sum"]
WATCHED: Final[tuple[tuple[str, str, GaugeMode, "Callable[[ModelFollower, PredictionLog], float]"], ...]] = (
    (
        "follower_failures",
        "Failures of following the alias since the start",
        "sum",
        lambda follower, _: follower.state.failures_total,
    ),
    (
        "follower_failing",
        "1 while the alias cannot be followed",
        "livemax",
        lambda follower, _: float(follower.trouble is not None),
    ),
    (
        "online_store_away",
        "1 while features cannot be read",
        "livemax",
        lambda follower, _: float(bool(follower.served and follower.served.reader.trouble)),
    ),
    (
        "log_unsealed_segments",
        "Closed journal segments that wait to be sealed",
        "livesum",
        lambda _, log: log.unsealed_segments,
    ),
    ("log_lines", "Journal lines written since the start", "sum", lambda _, log: log.lines),
    (
        "log_failing",
        "1 while a segment cannot be sealed",
        "livemax",
        lambda _, log: float(log.last_error is not None),
    ),
)


class ServiceMetrics:
    """The service's own collector registry: one per application, so that two never count into each other.

    Counting is cheap and buffered; `render` publishes first. Where several workers serve, each publishes into
    `WORKERS_FOLDER` every `PUBLISH_SECONDS`, and whichever is asked answers for all. The time in `score` and
    `log` is observed once for each batch, in the other stages once for each request.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: list[CounterTally] = []
        self._requests = self._counter("requests", "Answered requests by route and status", "route", "code")
        self._predictions = self._counter(
            "predictions", "Answered predictions by model version, role and door", "version", "role", "door"
        )
        self._refusals = self._counter(
            "refusals",
            "Requests refused, by error code: sheds, limits, missing keys and all others",
            "code",
            "door",
        )
        self._missing = self._counter("features_missing", "Features answered without a value", "feature")
        self._stale = self._counter("features_stale", "Features whose value had expired", "feature")
        self._defaulted = self._counter(
            "features_defaulted", "Features that could not be read and had their default", "feature"
        )
        self._degraded = self._counter("degraded_answers", "Predictions made while the online store was away")
        self._loads = self._counter("model_loads", "Versions that were loaded and began to serve", "version")
        self._degraded.add((), 0)
        self._seconds = self._histogram(
            "stage_seconds", "Time of each stage of a prediction", SECONDS, "stage", "version", "role"
        )
        self._rows = self._histogram("batch_rows", "Rows that were scored at once", ROWS, "version")
        self._stages: dict[tuple[str, str, str], HistogramTally] = {}
        self._batches: dict[str, HistogramTally] = {}
        self._model = Gauge(
            f"{PREFIX}_model_info",
            "1 for the model that is served, 0 for those that were",
            ("name", "version", "family", "as_of"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._loaded_at = self._gauge(
            "model_loaded_timestamp_seconds", "When the served model began to serve"
        )
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self._served: Gauge | None = None
        self._stop = Event()
        self._publisher: Thread | None = None

    @contextmanager
    def timed(self, stage: Stage, version: str = "", role: str = "") -> Iterator[None]:
        """Time one stage."""
        start = perf_counter()
        yield
        self.observe(stage, perf_counter() - start, version, role)

    def observe(self, stage: Stage, seconds: float, version: str = "", role: str = "") -> None:
        """Count one duration of a stage; version and role where one model is meant."""
        self._stage(stage, version, role).observe(seconds)

    def observe_many(
        self, stage: Stage, durations: Iterable[float], version: str = "", role: str = ""
    ) -> None:
        """Count durations of several requests at once."""
        self._stage(stage, version, role).observe_many(durations)

    def observe_batch(self, rows: int, version: str) -> None:
        """Count one run of a model over so many rows."""
        tally = self._batches.get(version)
        if tally is None:
            tally = self._batches.setdefault(version, HistogramTally(self._rows.labels(version), ROWS))
        tally.observe(rows)

    def count_request(self, route: str, code: int) -> None:
        """Count one answered request."""
        self._requests.add((route, str(code)))

    def count_refusal(self, code: str, door: str) -> None:
        """Count a request that was refused with an error's code."""
        self._refusals.add((code, door))

    def count_answers(self, answers: Sequence[Answer], door: str = "predict") -> None:
        """Count answered predictions, and the features they lacked."""
        for answer in answers:
            self._predictions.add((answer.model_version, answer.role, door))
            for name in answer.missing:
                self._missing.add((name,))
            for name in answer.stale:
                self._stale.add((name,))
            for name in answer.defaulted:
                self._defaulted.add((name,))
            if answer.degraded:
                self._degraded.add(())

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
        self._loads.add((model.version,))

    def watch(self, follower: "ModelFollower", log: "PredictionLog") -> None:
        """Read the follower's and the log's state whenever figures are published."""
        for name, description, mode, read in WATCHED:
            gauge = self._gauge(name, description, mode)
            self._watched.append((gauge, partial(read, follower, log)))
        if self._shared:
            self._publisher = Thread(target=self._publish_often, name="metrics", daemon=True)
            self._publisher.start()

    def publish(self) -> None:
        """Hand what was counted to Prometheus, and read what is watched."""
        for counter in self._counters:
            counter.publish()
        for tally in (*self._stages.values(), *self._batches.values()):
            tally.publish()
        for gauge, read in self._watched:
            gauge.set(read())

    def render(self) -> bytes:
        """The metrics of all workers in Prometheus' text format."""
        self.publish()
        if not self._shared:
            return generate_latest(self.registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)

    def close(self) -> None:
        """Publish the last figures."""
        self._stop.set()
        if self._publisher is not None:
            self._publisher.join()
        self.publish()

    @property
    def _shared(self) -> bool:
        """Whether workers share their figures; the environment does not tell, since Feast changes it."""
        return ValueClass is not MutexValue

    def _publish_often(self) -> None:
        while not self._stop.wait(PUBLISH_SECONDS):
            self.publish()

    def _stage(self, stage: Stage, version: str, role: str) -> HistogramTally:
        key = (stage, version, role)
        tally = self._stages.get(key)
        if tally is None:
            tally = self._stages.setdefault(key, HistogramTally(self._seconds.labels(*key), SECONDS))
        return tally

    def _counter(self, name: str, description: str, *labels: str) -> CounterTally:
        tally = CounterTally(Counter(f"{PREFIX}_{name}", description, labels, registry=self.registry))
        self._counters.append(tally)
        return tally

    def _histogram(self, name: str, description: str, bounds: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", description, labels, buckets=bounds, registry=self.registry)

    def _gauge(self, name: str, description: str, mode: GaugeMode = "livemax") -> Gauge:
        return Gauge(f"{PREFIX}_{name}", description, registry=self.registry, multiprocess_mode=mode)
