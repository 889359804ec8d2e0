"""A page in the user's browser can do nothing with a service that asks for no credentials."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.access.path_scopes import HEALTH_PATHS
from inference.settings import InferenceSettings
from tests.inference.access.test_served import filled, operations
from tests.inference.callers import bearer, new_key
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server
from tests.inference.world import add_version, instance, set_champion, world_settings

PAGE = "http://page.example"
TAKING_JSON = [
    "/v1/predict",
    "/v1/predict?explain=true",
    "/v1/events",
    "/invocations",
    f"/v2/models/{PROBLEM.name}/infer",
    f"/v2/models/{PROBLEM.name}/versions/1/infer",
    f"/v1/models/{PROBLEM.name}:predict",
    f"/v1/models/{PROBLEM.name}/labels/champion:predict",
]
# What a page may send to another site without asking it first (Fetch standard, CORS-safelisted).
UNASKED = [
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
]


def own_address(service: httpx.Client) -> str:
    return str(service.base_url).rstrip("/")


@pytest.mark.parametrize("path", TAKING_JSON)
@pytest.mark.parametrize("origin", [PAGE, "null", "http://localhost:3000", "https://127.0.0.1", "http://"])
def test_a_page_of_another_origin_can_post_nothing(
    shared_service: httpx.Client, path: str, origin: str
) -> None:
    answer = shared_service.post(path, json=instance(), headers={"origin": origin})

    assert answer.status_code == 403, answer.text


def test_a_page_whose_name_was_rebound_to_this_machine_reaches_nothing(shared_service: httpx.Client) -> None:
    port = shared_service.base_url.port
    described = operations(shared_service.get("/openapi.json").json())
    paths = [(method, filled(path)) for method, path, _ in described if path not in HEALTH_PATHS]
    assert len(paths) > 10

    for host in (f"page.example:{port}", "page.example", "127.0.0.1.page.example", "192.0.2.7", ""):
        for method, path in (*paths, ("get", "/docs"), ("get", "/openapi.json"), ("get", "/metrics")):
            answer = shared_service.request(method, path, headers={"host": host})
            assert answer.status_code == 403, (host, path, answer.text)
    same = {"host": "page.example", "origin": PAGE}
    assert shared_service.post("/v1/predict", json=instance(), headers=same).status_code == 403


@pytest.mark.parametrize("path", TAKING_JSON)
def test_what_a_page_may_send_unasked_is_not_read(shared_service: httpx.Client, path: str) -> None:
    for content_type in UNASKED:
        answer = shared_service.post(path, json=instance(), headers={"content-type": content_type})
        assert answer.status_code == 415, (content_type, answer.text)


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/events"])
def test_a_body_that_says_nothing_of_itself_is_not_taken_for_json(
    shared_service: httpx.Client, path: str
) -> None:
    request = shared_service.build_request("POST", path, json=instance())
    del request.headers["content-type"]

    answer = shared_service.send(request)

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON ; charset=utf-8"])
def test_the_service_s_own_page_and_programs_are_answered(
    shared_service: httpx.Client, content_type: str
) -> None:
    address = own_address(shared_service)
    localhost = address.replace("127.0.0.1", "localhost")
    for headers in (
        {},
        {"origin": address},
        {"host": localhost.removeprefix("http://"), "origin": localhost},
        {"host": "[::1]:8000"},
    ):
        answer = shared_service.post(
            "/v1/predict", json=instance(), headers={"content-type": content_type, **headers}
        )
        assert answer.status_code == 200, (headers, answer.text)


@pytest.mark.parametrize("path", sorted(HEALTH_PATHS))
def test_probes_may_call_the_service_by_any_address(shared_service: httpx.Client, path: str) -> None:
    assert shared_service.get(path, headers={"host": "10.0.3.7:8000"}).status_code == 200


@pytest.fixture(scope="module")
def world(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("pages") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var)
    set_champion(settings, add_version(settings, 1.0))
    return settings


def test_other_names_are_allowed_by_a_setting(
    world: InferenceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_ALLOWED_HOSTS", "models.example, Other.example")
    with running_server(world_settings(world.var)) as service:
        asked = {
            name: service.post("/v1/predict", json=instance(), headers={"host": name}).status_code
            for name in ("models.example", "OTHER.example:8000", "page.example")
        }
    assert asked == {"models.example": 200, "OTHER.example:8000": 200, "page.example": 403}


@pytest.fixture(scope="module")
def tokens(world: InferenceSettings) -> dict[str, str]:
    path = world.var / "keys.json"
    scopes: dict[str, Any] = {"caller": ["predict"], "teller": ["events"], "keeper": ["admin"]}
    return {name: new_key(path, name, own) for name, own in scopes.items()}


@pytest.fixture(scope="module")
def guarded(world: InferenceSettings, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with running_server(world.model_copy(update={"api_keys": world.var / "keys.json"})) as client:
        yield client


def test_with_credentials_origin_and_host_are_the_caller_s_affair(
    guarded: httpx.Client, tokens: dict[str, str]
) -> None:
    page = {"origin": PAGE, "host": "page.example"}

    assert guarded.post("/v1/predict", json=instance(), headers=page).status_code == 401
    known = guarded.post("/v1/predict", json=instance(), headers={**page, **bearer(tokens["caller"])})
    assert known.status_code == 200


def test_a_key_for_predictions_writes_no_features(guarded: httpx.Client, tokens: dict[str, str]) -> None:
    asked = {
        name: guarded.post("/v1/events", json={"events": []}, headers=bearer(token)).status_code
        for name, token in tokens.items()
    }
    assert asked == {"caller": 403, "teller": 404, "keeper": 403}  # this repository takes no events
    assert guarded.post("/v1/predict", json=instance(), headers=bearer(tokens["teller"])).status_code == 403
