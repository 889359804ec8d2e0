"""What a thousand predictions cost: seconds that were measured, at the price that was declared."""

import time

import pytest
from prometheus_client import CollectorRegistry

from inference.observability.cost import HOUR, Prices, ResourceUse, cost_per_thousand
from inference.observability.metrics import ServiceMetrics
from inference.settings import InferenceSettings
from tests.inference.observability.test_metrics import answer, exported, figures
from tests.inference.running import running_server
from tests.inference.world import instance

PRICES = Prices(cpu_hour=0.36, gpu_hour=3.6, currency="USD")


def burn(seconds: float) -> None:
    """Use that much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_seconds_are_charged_at_the_declared_price() -> None:
    metrics = ServiceMetrics(PRICES)
    metrics.count_answers([answer()] * 500)

    burn(0.2)
    found = exported(metrics)

    seconds = found["roundtrip_cpu_seconds_total",]
    assert 0.2 <= seconds < 5.0
    cost = found["roundtrip_cost_total", "USD", "cpu"]
    assert cost == pytest.approx(seconds * 0.36 / HOUR)
    assert found["roundtrip_cost_per_thousand_predictions", "USD"] == pytest.approx(cost * 2)


def test_seconds_on_the_gpu_are_charged_besides() -> None:
    registry = CollectorRegistry()
    use = ResourceUse(registry, PRICES)

    use.publish(gpu_seconds=0.0)
    before = registry.get_sample_value("roundtrip_gpu_seconds_total")
    use.publish(gpu_seconds=10.0)

    assert before is None
    assert registry.get_sample_value("roundtrip_gpu_seconds_total") == 10.0
    labels = {"resource": "gpu", "currency": "USD"}
    assert registry.get_sample_value("roundtrip_cost_total", labels) == pytest.approx(0.01)


def test_without_a_price_or_a_prediction_no_cost_is_shown() -> None:
    unpriced, unasked = ServiceMetrics(), ServiceMetrics(PRICES)
    unpriced.count_answers([answer()])

    assert not [name for name, *_ in exported(unpriced) if "cost" in name]
    assert not [name for name, *_ in exported(unasked) if "per_thousand" in name]
    assert not list(cost_per_thousand([]))


def test_prices_are_declared_in_the_settings() -> None:
    settings = InferenceSettings(cpu_hour_price=0.05, price_currency="CHF")

    assert Prices.declared(settings) == Prices(0.05, None, "CHF")


def test_a_service_with_a_price_shows_what_its_predictions_cost(
    settings: InferenceSettings, champion: str
) -> None:
    with running_server(settings.model_copy(update={"cpu_hour_price": 0.05})) as client:
        client.post("/v1/predict", json={"instances": [instance()] * 10})
        found = figures(client.get("/metrics").text)

    cost = found["roundtrip_cost_total", "EUR", "cpu"]
    assert cost == pytest.approx(found["roundtrip_cpu_seconds_total",] * 0.05 / HOUR)
    assert found["roundtrip_cost_per_thousand_predictions", "EUR"] == pytest.approx(cost * 100)
