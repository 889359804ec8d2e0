"""A service asks for credentials at every path, as its description says; on loopback it need not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from inference.access.errors import AccessConfigurationError
from inference.access.key_file import remove_key
from inference.access.path_scopes import DOCS_PARTS, OPEN_PATHS, required_scope
from inference.access.rate_limit import Rate
from inference.access.startup_check import require_guarded
from inference.documents import ErrorDocument
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.inference.callers import bearer, new_key
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server, wait_until
from tests.inference.world import NOON, copy_served, instance, world_settings

METHODS = ("get", "post", "put", "delete", "patch", "options", "head")
SOON = 5.0


@pytest.fixture(scope="module")
def guarded(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """A world with a champion whose service asks for keys."""
    var = tmp_path_factory.mktemp("guarded") / "var"
    return copy_served(built_world, var, api_keys=var / "keys.json")


@pytest.fixture(scope="module")
def tokens(guarded: InferenceSettings) -> dict[str, str]:
    path = guarded.api_keys
    assert path is not None
    return {
        "predict": new_key(path, "caller"),
        "events": new_key(path, "teller", ["events"]),
        "admin": new_key(path, "keeper", ["admin"]),
        "revoked": new_key(path, "leaver"),
        "limited": new_key(path, "limited", rate=Rate(per_second=0.01, burst=2)),
    }


@pytest.fixture(scope="module")
def client(guarded: InferenceSettings, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with running_server(guarded) as asking:
        yield asking


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def filled(path: str) -> str:
    """A described path with its places filled."""
    return re.sub(r"\{(\w+)\}", lambda place: PROBLEM.name if place[1] == "name" else "1", path)


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, found in described["paths"].items()
        for method, operation in found.items()
    ]


def test_every_path_asks_for_what_it_says(
    client: httpx.Client, described: dict[str, Any], tokens: dict[str, str]
) -> None:
    assert len(operations(described)) > 5
    for method, path, operation in operations(described):
        scope = required_scope(path)
        assert ("security" in operation) == (scope is not None), path
        for token in (None, "rt_caller.wrong"):
            answer = client.request(method, filled(path), headers=bearer(token) if token else {})
            assert (answer.status_code == 401) == (scope is not None), path
        if scope is not None:
            other = tokens["admin" if scope == "predict" else "predict"]
            assert client.request(method, filled(path), headers=bearer(other)).status_code == 403, path
            right = client.request(method, filled(path), headers=bearer(tokens[scope]))
            assert right.status_code not in (401, 403), path
            assert {"401", "403", "429"} <= set(operation["responses"]), path


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1", "/v1/predict/", "/v1/model/../metrics", "//metrics"]
)
def test_what_no_route_answers_is_not_open_either(client: httpx.Client, path: str) -> None:
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    for method in METHODS:
        assert client.request(method, url).status_code == 401, method


@pytest.mark.parametrize("path", sorted(OPEN_PATHS | {f"{DOCS_PARTS}/swagger-ui.css"}))
def test_open_paths_answer_without_credentials(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_key_predicts_and_is_challenged_in_typed_words(
    client: httpx.Client, tokens: dict[str, str]
) -> None:
    refused = client.post("/v1/predict", json=instance())
    answered = client.post("/v1/predict", json=instance(), headers={"X-API-Key": tokens["predict"]})

    assert msgspec.json.decode(refused.content, type=ErrorDocument).error.code == "unauthenticated"
    assert refused.headers["www-authenticate"] == 'Bearer realm="roundtrip"'
    assert answered.status_code == 200, answered.text


def test_what_is_refused_is_not_logged(
    guarded: InferenceSettings, client: httpx.Client, tokens: dict[str, str]
) -> None:
    for headers in ({}, bearer(tokens["admin"]), bearer("rt_caller.wrong")):
        client.post("/v1/predict", json=instance(request_id="refused"), headers=headers)

    logged = read_predictions(guarded, NOON, NOON.replace(hour=13))
    assert "refused" not in set(logged["request_id"])


def test_a_revoked_key_is_refused_without_a_restart(
    guarded: InferenceSettings, client: httpx.Client, tokens: dict[str, str]
) -> None:
    headers = bearer(tokens["revoked"])
    assert client.post("/v1/predict", json=instance(), headers=headers).status_code == 200

    assert guarded.api_keys is not None
    remove_key(guarded.api_keys, "leaver")

    wait_until(
        lambda: client.post("/v1/predict", json=instance(), headers=headers).status_code == 401,
        "the revocation",
        SOON,
    )


def test_a_caller_is_told_when_to_ask_again(client: httpx.Client, tokens: dict[str, str]) -> None:
    answers = [
        client.post("/v1/predict", json=instance(), headers=bearer(tokens["limited"])) for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 1
    assert msgspec.json.decode(answers[-1].content, type=ErrorDocument).error.code == "rate_limited"
    assert client.post("/v1/predict", json=instance(), headers=bearer(tokens["predict"])).status_code == 200


def test_a_broken_file_of_keys_is_said_in_ready(
    guarded: InferenceSettings, client: httpx.Client, tokens: dict[str, str]
) -> None:
    path = guarded.api_keys
    assert path is not None
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    try:
        [said] = wait_until(lambda: client.get("/health/ready").json()["warnings"], "the warning", SOON)
        [told] = client.get("/health/ready", headers=bearer(tokens["admin"])).json()["warnings"]
    finally:
        path.write_bytes(whole)

    assert said["code"] == told["code"] == "credentials_stale"
    assert "keys.json" not in said["message"]
    assert "keys.json" in told["message"]
    wait_until(lambda: not client.get("/health/ready").json()["warnings"], "the repair", SOON)


def test_on_a_laptop_nothing_is_asked_for(shared_service: httpx.Client) -> None:
    described = shared_service.get("/openapi.json").json()

    assert "securitySchemes" not in described["components"]
    assert shared_service.get("/metrics").status_code == 200
    assert shared_service.post("/v1/predict", json=instance()).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.internal"])
def test_a_service_that_strangers_reach_does_not_start_unguarded(tmp_path: Path, host: str) -> None:
    with pytest.raises(AccessConfigurationError, match="ROUNDTRIP_API_KEYS"):
        require_guarded(world_settings(tmp_path, serve_host=host), host)

    require_guarded(world_settings(tmp_path, serve_host=host, allow_anonymous=True), host)
    new_key(tmp_path / "keys.json", "ada")
    require_guarded(world_settings(tmp_path, serve_host=host, api_keys=tmp_path / "keys.json"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_loopback_may_be_open(tmp_path: Path, host: str) -> None:
    require_guarded(world_settings(tmp_path, serve_host=host), host)


def test_metrics_may_be_opened_by_a_setting() -> None:
    assert required_scope("/metrics") == "admin"
    assert required_scope("/metrics", open_metrics=True) is None


@pytest.mark.parametrize(
    "path", ["/v2/repository/index", "/v2/repository/models/x/unload", "/v1/modelsX", "/v2x"]
)
def test_what_changes_things_or_is_unknown_asks_for_admin(path: str) -> None:
    assert required_scope(path) == "admin"
