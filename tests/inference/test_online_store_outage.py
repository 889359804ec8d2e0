"""The service over a Redis that is stopped, hung and started again: it answers all along, and says how."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from features.online.lookup import LOOKUP_SECONDS
from features.online.outage import RETRY_SECONDS
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.features.online_servers import RedisServer
from tests.inference.running import list_warnings, running_server, wait_until
from tests.inference.world import NOON, add_version, build_world, fill_online_store, instance, set_champion

# The last two are computed by a view that reads the store.
UNREAD = ["cars", "trend", "capacity", "district", "hour", "free_share"]
DECLARED_CAPACITY = 100.0


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def world(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """A world with a champion, whose online rows are in Redis."""
    var = tmp_path_factory.mktemp("world") / "var"
    settings = build_world(var, online_store=redis_server.address)
    set_champion(settings, add_version(settings, 1.0))
    return settings


@pytest.fixture
def service(world: InferenceSettings, redis_server: RedisServer) -> Iterator[httpx.Client]:
    """A service over a Redis that is there and filled."""
    redis_server.stop()
    redis_server.start()
    fill_online_store(world)
    with running_server(world) as client:
        yield client


def ask(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    response = client.post("/v1/predict", json=instance(**changes))
    assert response.status_code == 200, response.text
    answered: dict[str, Any] = response.json()
    return answered


def test_it_answers_with_defaults_while_redis_is_down_and_recovers_by_itself(
    world: InferenceSettings, service: httpx.Client, redis_server: RedisServer
) -> None:
    # given
    before = ask(service)
    assert not before["degraded"]
    # when
    redis_server.stop()
    during = ask(service, request_id="during")
    many = service.post("/v1/predict", json={"instances": [instance()] * 40}).json()
    # then
    [answer] = during["predictions"]
    assert during["degraded"]
    assert answer["degraded"]
    assert answer["defaulted"] == UNREAD
    assert (answer["missing"], answer["stale"]) == ([], [])
    assert many["degraded"]
    assert all(item["defaulted"] == UNREAD for item in many["predictions"])
    [warning] = list_warnings(service)
    assert str(redis_server.port) in warning
    metrics = service.get("/metrics").text
    assert "roundtrip_degraded_answers_total 41.0" in metrics
    assert 'roundtrip_features_defaulted_total{feature="cars"} 41.0' in metrics
    assert "roundtrip_online_store_away 1.0" in metrics
    # when
    redis_server.start()
    fill_online_store(world)
    # then
    wait_until(lambda: not ask(service)["degraded"], "recovery")
    assert ask(service)["predictions"][0]["prediction"] == before["predictions"][0]["prediction"]
    assert not service.get("/health/ready").json()["warnings"]
    assert "roundtrip_online_store_away 0.0" in service.get("/metrics").text


def test_the_log_says_what_was_a_default(
    world: InferenceSettings, service: httpx.Client, redis_server: RedisServer
) -> None:
    redis_server.stop()
    ask(service, request_id="logged")
    logged = read_predictions(world, NOON, NOON + timedelta(days=1)).set_index("request_id").loc["logged"]
    assert {logged[f"status.{name}"] for name in UNREAD} == {"default"}
    assert logged["feature.hour"] == 13.0
    assert logged["feature.capacity"] == DECLARED_CAPACITY
    assert logged["feature.free_share"] == 40 / DECLARED_CAPACITY
    assert logged[["feature.cars", "feature.district", "age.capacity"]].isna().all()


def test_an_outage_does_not_slow_every_request(service: httpx.Client, redis_server: RedisServer) -> None:
    # given: a Redis that accepts connections and never answers
    redis_server.hang()

    def ask_timed(_: int) -> float:
        began = time.monotonic()
        assert ask(service)["degraded"]
        return time.monotonic() - began

    # when
    with ThreadPoolExecutor(8) as threads:
        took = sorted(threads.map(ask_timed, range(80)))
    redis_server.go_on()
    # then: those that came first waited for it, and one a second
    assert took[-1] < 2 * LOOKUP_SECONDS
    assert took[len(took) // 2] < LOOKUP_SECONDS / 2
    wait_until(lambda: not ask(service)["degraded"], "recovery", RETRY_SECONDS + LOOKUP_SECONDS + 5)


def test_other_routes_are_answered_while_the_store_hangs(
    service: httpx.Client, redis_server: RedisServer
) -> None:
    redis_server.hang()
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask, service)
        time.sleep(0.1)
        began = time.monotonic()
        assert service.get("/health/live").status_code == 200
        answered_in = time.monotonic() - began
        asking.result()
    redis_server.go_on()
    assert answered_in < LOOKUP_SECONDS / 2


def test_it_starts_while_redis_is_down(world: InferenceSettings, redis_server: RedisServer) -> None:
    redis_server.stop()
    with running_server(world) as client:
        assert ask(client)["degraded"]
        redis_server.start()
        fill_online_store(world)
        wait_until(lambda: not ask(client)["degraded"], "recovery")


def test_rows_are_kept_outside_replay_only(
    world: InferenceSettings, service: httpx.Client, redis_server: RedisServer
) -> None:
    # given: replay, and the same service live
    live = world.model_copy(update={"replay": False, "online_cache_seconds": 60.0})
    assert (world.fresh_seconds, live.fresh_seconds) == (0.0, 60.0)
    with running_server(live) as client:
        assert not ask(service)["degraded"]
        assert not ask(client, prediction_time=...)["degraded"]
        # when
        redis_server.hang()
        kept, read_again = ask(client, prediction_time=...), ask(service)
        redis_server.go_on()
    # then
    assert not kept["degraded"]
    assert read_again["degraded"]
