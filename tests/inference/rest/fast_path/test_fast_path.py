"""The fast path answers as the application behind it does, and keeps what comes together apart."""

import asyncio
import math
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from inference.app import create_app
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.inference.bundles import LogModel
from tests.inference.running import SAYS_JSON, running_server, wait_until
from tests.inference.validation.test_given_features import given
from tests.inference.world import NOON, add_model, add_version, instance, set_champion, world_settings

MOUNTED = "/models"
LARGEST_BODY = 4_000
CALLERS = 60
BODIES: dict[str, Any] = {
    "answered": {"instances": [instance(request_id="a"), given("b")]},
    "wrong field": instance(spaces="many"),
    "wrong feature": given("c", cars="many"),
    "no instances": {"instances": []},
    "too many": {"instances": [{}] * 11},
    "another question": {"instances": [given("b", cars=1.0)]},
}


@pytest.fixture(scope="module")
def module_settings(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("fast") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var, max_items=10, max_explained_items=3, max_body_bytes=LARGEST_BODY)
    set_champion(settings, add_version(settings, 1.0))
    return settings


@pytest.fixture(scope="module")
def both_ways(module_settings: InferenceSettings) -> Iterator[TestClient]:
    """One application at the root, where fast paths are known, and mounted, where they reach FastAPI."""
    app = create_app(module_settings)
    lifespan: Any = app.router.lifespan_context
    outer = Starlette(routes=[Mount(MOUNTED, app), Mount("", app)], lifespan=lambda _: lifespan(app))
    with TestClient(outer, "http://127.0.0.1", raise_server_exceptions=False, headers=SAYS_JSON) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, "a model")
        yield client


def requests_counted(client: Any) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "roundtrip_requests_total"
    }


@pytest.mark.parametrize("body", BODIES)
def test_both_ways_answer_alike(both_ways: TestClient, body: str) -> None:
    fast, mounted = (both_ways.post(f"{root}/v1/predict", json=BODIES[body]) for root in ("", MOUNTED))

    assert fast.status_code == mounted.status_code
    assert fast.json() == mounted.json()
    assert fast.headers["content-type"] == mounted.headers["content-type"] == "application/json"


@pytest.mark.parametrize("content", [b"{", b"x" * (LARGEST_BODY + 1)])
def test_both_ways_refuse_the_same_bodies(both_ways: TestClient, content: bytes) -> None:
    fast, mounted = (both_ways.post(f"{root}/v1/predict", content=content) for root in ("", MOUNTED))

    assert fast.status_code == mounted.status_code in (400, 413)
    assert fast.json() == mounted.json()


def test_both_ways_are_counted_as_one_route_and_unknown_paths_as_one(both_ways: TestClient) -> None:
    before = requests_counted(both_ways)
    for root in ("", MOUNTED):
        both_ways.post(f"{root}/v1/predict", json=instance())
        both_ways.post(f"{root}/v1/predict", content=b"{")
        both_ways.get(f"{root}/v1/predict")
        both_ways.get(f"{root}/nowhere")
    after = requests_counted(both_ways)

    counted = {key: after[key] - before.get(key, 0.0) for key in after if after[key] != before.get(key)}
    labels = {(frozenset(key)): count for key, count in counted.items()}
    assert labels[frozenset({"/v1/predict", "200"})] == 2
    assert labels[frozenset({"/v1/predict", "400"})] == 2
    assert labels[frozenset({"unknown", "404"})] == 2
    assert sum(count for key, count in labels.items() if "405" in key) == 2


@pytest.mark.parametrize("path", ["/v1/predict", f"{MOUNTED}/v1/predict", "/v1/nowhere"])
def test_every_answer_carries_the_request_s_id(both_ways: TestClient, path: str) -> None:
    given_id = both_ways.post(path, json=instance(), headers={"x-request-id": "abc"})
    made = [both_ways.post(path, content=b"{").headers["x-request-id"] for _ in range(2)]

    assert given_id.headers["x-request-id"] == "abc"
    assert made[0] != made[1]


def test_an_explanation_is_asked_for_in_the_query(both_ways: TestClient) -> None:
    refused = both_ways.post("/v1/predict?explain=perhaps", json=instance())
    plain = both_ways.post("/v1/predict?explain=false", json=instance())

    assert refused.status_code == 422
    assert refused.json()["error"]["items"][0]["field"] == "explain"
    assert "reasons" not in plain.json()["predictions"][0]
    for root in ("", MOUNTED):
        many = both_ways.post(f"{root}/v1/predict?explain=true", json={"instances": [instance()] * 4})
        assert many.status_code == 413
        assert "at most 3" in many.json()["error"]["message"]
        explained = both_ways.post(f"{root}/v1/predict?explain=true", json=given("explained"))
        assert "cars" in {reason["feature"] for reason in explained.json()["predictions"][0]["reasons"]}


def ask_at_once(service: httpx.Client, documents: list[dict[str, Any]]) -> list[httpx.Response]:
    """Every document in a request of its own, all of them under way together."""

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service.base_url, timeout=30) as client:
            return await asyncio.gather(*(client.post("/v1/predict", json=one) for one in documents))

    return asyncio.run(ask_all())


def test_under_load_each_caller_has_its_own_answer_and_only_the_faulty_ones_an_error(
    settings: InferenceSettings,
) -> None:
    set_champion(settings, add_model(settings, LogModel(1.0)))
    faulty = {number for number in range(CALLERS) if number % 7 == 3}

    with running_server(settings) as service:
        answers = ask_at_once(
            service,
            [
                given(f"caller-{number}", cars=-2_000.0 if number in faulty else float(number))
                for number in range(CALLERS)
            ],
        )

    for number, answer in enumerate(answers):
        if number in faulty:
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "scoring_failed")
        else:
            (predicted,) = answer.json()["predictions"]
            assert predicted["request_id"] == f"caller-{number}"
            assert predicted["prediction"] == pytest.approx(1 + math.log1p(number / 1_000))
    logged = read_predictions(settings, NOON, datetime.now(UTC))["request_id"]
    assert sorted(logged) == sorted(f"caller-{number}" for number in range(CALLERS) if number not in faulty)


def test_whoever_hangs_up_harms_nobody(settings: InferenceSettings, service: httpx.Client) -> None:
    for _ in range(5):
        with socket.create_connection((service.base_url.host, service.base_url.port or 0)) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n{")

    assert service.post("/v1/predict", json=instance()).status_code == 200


def test_retries_that_come_at_once_have_one_answer_and_other_questions_none(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    same = ask_at_once(service, [given("same")] * 20)
    differing = ask_at_once(service, [given("differing", cars=float(number)) for number in range(20)])

    assert {answer.text for answer in same} == {same[0].text}
    assert sorted(answer.status_code for answer in differing) == [200] + [409] * 19
    logged = read_predictions(settings, NOON, datetime.now(UTC)).set_index("request_id")
    assert sorted(logged.index) == ["differing", "same"]
    (answered,) = (answer for answer in differing if answer.status_code == 200)
    assert answered.json()["predictions"][0]["prediction"] == logged.loc["differing", "prediction"]
    assert "roundtrip_log_lines 2.0" in service.get("/metrics").text
