"""What predictions cost: measured seconds of CPU and GPU at a declared price."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import process_time
from typing import Final, Self

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily

from inference.settings import InferenceSettings

HOUR: Final = 3_600.0
COST: Final = "roundtrip_cost"
PREDICTIONS: Final = "roundtrip_predictions"


@dataclass(frozen=True)
class Prices:
    """Prices of an hour of a CPU core and of the GPU; `None` where none is declared."""

    cpu_hour: float | None = None
    gpu_hour: float | None = None
    currency: str = "EUR"

    @classmethod
    def declared(cls, settings: InferenceSettings) -> Self:
        """The prices in the settings."""
        return cls(settings.cpu_hour_price, settings.gpu_hour_price, settings.price_currency)


class ResourceUse:
    """Seconds of CPU and GPU that this process used since it began to serve, and what they cost.

    CPU seconds are the operating system's, of all threads. GPU seconds are those in which a model ran there
    (wall time of its runs): the share of a GPU that serving keeps from others.
    """

    def __init__(self, registry: CollectorRegistry, prices: Prices) -> None:
        self._registry, self._prices, self._seen = registry, prices, process_time()
        self._cpu = Counter(
            "roundtrip_cpu_seconds", "CPU seconds used since serving began", registry=registry
        )
        self._gpu: Counter | None = None
        self._cost: Counter | None = None
        if prices.cpu_hour is not None or prices.gpu_hour is not None:
            self._cost = Counter(
                COST,
                "Cost of the seconds used, at the declared price",
                ("resource", "currency"),
                registry=registry,
            )

    def publish(self, gpu_seconds: float) -> None:
        """Add what was used since the last time; the caller knows how long models ran on the GPU."""
        now = process_time()
        cpu_seconds, self._seen = now - self._seen, now
        self._cpu.inc(cpu_seconds)
        self._count_gpu(gpu_seconds)
        self._charge("cpu", cpu_seconds, self._prices.cpu_hour)
        self._charge("gpu", gpu_seconds, self._prices.gpu_hour)

    def _count_gpu(self, seconds: float) -> None:
        if self._gpu is None and seconds:
            self._gpu = Counter(
                "roundtrip_gpu_seconds", "Seconds that models ran on the GPU", registry=self._registry
            )
        if self._gpu is not None:
            self._gpu.inc(seconds)

    def _charge(self, resource: str, seconds: float, price: float | None) -> None:
        if self._cost is not None and price is not None:
            self._cost.labels(resource, self._prices.currency).inc(seconds / HOUR * price)


def cost_per_thousand(families: Iterable[Metric]) -> Iterator[GaugeMetricFamily]:
    """The cost of a thousand predictions since serving began, where there is a price and a prediction.

    Over a window: `1000 * sum(rate(roundtrip_cost_total[5m])) / sum(rate(roundtrip_predictions_total[5m]))`.
    """
    cost: dict[str, float] = {}
    predictions = 0.0
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == f"{COST}_total":
            currency = sample.labels["currency"]
            cost[currency] = cost.get(currency, 0.0) + sample.value
        elif sample.name == f"{PREDICTIONS}_total":
            predictions += sample.value
    if cost and predictions:
        gauge = GaugeMetricFamily(
            "roundtrip_cost_per_thousand_predictions",
            "Cost of a thousand predictions since serving began",
            labels=["currency"],
        )
        for currency, spent in cost.items():
            gauge.add_metric([currency], 1_000 * spent / predictions)
        yield gauge
