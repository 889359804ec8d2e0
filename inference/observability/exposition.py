"""All workers' figures, and those that follow from them, in Prometheus' text format."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from inference.observability.cost import cost_per_thousand
from inference.observability.gpu import GpuFigures


def are_workers_figures_shared() -> bool:
    """Whether several workers write their figures into one folder (`inference.workers.multiprocess_metrics`).

    The environment does not tell: Feast sets prometheus_client's variable where nobody shares anything.
    """
    return values.ValueClass is not values.MutexValue


class Exposition(Collector):
    """What `/metrics` answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """`registry` holds this process' figures."""
        self._registry, self._gpu = registry, GpuFigures()

    def collect(self) -> Iterable[Metric]:
        """Every family."""
        families = list(self._counted())
        return [*families, *cost_per_thousand(families), *self._gpu.collect()]

    def render(self) -> bytes:
        """The text."""
        return generate_latest(self)

    def _counted(self) -> Iterable[Metric]:
        if not are_workers_figures_shared():
            return self._registry.collect()
        return MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call, no-any-return]
