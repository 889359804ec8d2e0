"""What Prometheus scrapes: the newest decision and the state of the reports, read when asked."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from features.quality.record import RECORD_FILE
from monitoring.ml.decisions.record import Decision
from monitoring.ml.monitor import Monitor
from monitoring.ml.server.feature_metrics import FeatureQualityCollector

PREFIX = "roundtrip_monitoring_"
WINDOW_GAUGES = {
    "window_end_timestamp_seconds": "End of the newest window that was decided, in seconds since 1970.",
    "window_predictions": "Predictions in the newest window.",
    "window_labelled_share": "Share of the newest window's predictions whose label is known.",
    "window_overdue_share": "Share of the labels that fell due in the newest window and have not arrived.",
    "window_evaluated_labels": "Labels that arrived in the newest window and that metrics are measured on.",
}


class MonitorCollector(Collector):
    """Reads the record of decisions at each scrape, so that figures survive a restart."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def describe(self) -> Iterable[Metric]:
        """Nothing: the record need not be readable when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of the newest decision, then the totals."""
        decisions = self._monitor.decisions.read()
        if decisions:
            yield from _window_metrics(decisions[-1])
            yield from _signal_metrics(decisions[-1])
        yield _count_by_verdict(decisions)
        yield _gauge(
            "open_requests",
            "Retraining requests whose training run could not be started.",
            sum(decision.is_open for decision in decisions),
        )
        reports = self._monitor.reports
        yield _gauge("reports_pending", "Windows whose reports wait or are being written.", reports.pending)
        failures = CounterMetricFamily(
            PREFIX + "report_failures", "Windows whose reports could not be written."
        )
        failures.add_metric([], reports.failures)
        yield failures


def make_registry(monitor: Monitor) -> CollectorRegistry:
    """A registry of its own for one monitor."""
    registry = CollectorRegistry()
    registry.register(MonitorCollector(monitor))
    registry.register(FeatureQualityCollector(monitor.settings.features.features_dir / RECORD_FILE))
    return registry


def _window_metrics(decision: Decision) -> Iterator[Metric]:
    values = {
        "window_end_timestamp_seconds": decision.window_end.timestamp(),
        "window_predictions": decision.sample,
        "window_labelled_share": decision.labelled_share,
        "window_overdue_share": decision.overdue_share,
        "window_evaluated_labels": decision.evaluated,
    }
    for name, value in values.items():
        yield _gauge(name, WINDOW_GAUGES[name], value)
    yield _labelled("window_metric", "The champion's metrics on those labels.", "metric", decision.metrics)
    yield _labelled(
        "feature_psi", "Population stability index of each feature.", "feature", decision.feature_psi
    )


def _signal_metrics(decision: Decision) -> Iterator[Metric]:
    signals = decision.signals
    known = {signal.name: signal.value for signal in signals if signal.value is not None}
    yield _labelled("signal", "Each signal's value in the newest window.", "signal", known)
    yield _labelled(
        "signal_threshold",
        "The effect size that each signal is compared with.",
        "signal",
        {signal.name: signal.threshold for signal in signals},
    )
    yield _labelled(
        "signal_drifting",
        "1 when the signal is past its effect size.",
        "signal",
        {signal.name: float(signal.drifting) for signal in signals},
    )


def _count_by_verdict(decisions: Iterable[Decision]) -> Metric:
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision.verdict] = counts.get(decision.verdict, 0) + 1
    family = CounterMetricFamily(PREFIX + "decisions", "Decisions by verdict.", labels=["verdict"])
    for verdict, count in counts.items():
        family.add_metric([verdict], count)
    return family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, meaning, value=value)


def _labelled(name: str, meaning: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
