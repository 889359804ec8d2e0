"""Whatever refuses a request, it is said in the protocol of the path that was asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc import StatusCode as Code
from tritonclient.grpc import service_pb2, service_pb2_grpc

from inference.access.rate_limit import Rate
from inference.settings import InferenceSettings
from tests.inference.callers import bearer, new_key
from tests.inference.parking import PROBLEM
from tests.inference.running import free_port, running_server
from tests.inference.world import world_settings

TEXT, MLFLOW = {"error"}, {"error_code", "message"}
PREDICTING = [
    (f"/v2/models/{PROBLEM.name}/infer", TEXT),
    (f"/v2/models/{PROBLEM.name}/versions/1/infer", TEXT),
    (f"/v1/models/{PROBLEM.name}:predict", TEXT),
    (f"/v1/models/{PROBLEM.name}/labels/champion:predict", TEXT),
    ("/invocations", MLFLOW),
]
ASKING = [("/v2", TEXT), (f"/v2/models/{PROBLEM.name}", TEXT), (f"/v1/models/{PROBLEM.name}", TEXT)]
OPEN = ["/v2/health/live", "/v2/health/ready", "/ping", "/health"]


@pytest.fixture(scope="module")
def guarded(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """A world without a champion, in which callers are asked who they are."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(built_world, folder / "var")
    return world_settings(
        folder / "var", api_keys=folder / "keys.json", grpc_port=free_port(), max_body_bytes=10_000
    )


@pytest.fixture(scope="module")
def tokens(guarded: InferenceSettings) -> dict[str, str]:
    assert guarded.api_keys is not None
    return {
        "caller": new_key(guarded.api_keys, "caller"),
        "admin": new_key(guarded.api_keys, "admin", ["admin"]),
        "hasty": new_key(guarded.api_keys, "hasty", rate=Rate(per_second=0.01, burst=1)),
    }


@pytest.fixture(scope="module")
def service(guarded: InferenceSettings, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with running_server(guarded, ready=False) as client:
        yield client


@pytest.fixture(scope="module")
def stub(service: httpx.Client, guarded: InferenceSettings) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{guarded.grpc_port}") as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def refused(response: httpx.Response, status: int, keys: set[str]) -> None:
    assert response.status_code == status, response.text
    assert set(response.json()) == keys
    assert all(isinstance(text, str) and text for text in response.json().values())


@pytest.mark.parametrize(("path", "keys"), PREDICTING)
def test_predictions_are_refused_in_their_own_words(
    service: httpx.Client, tokens: dict[str, str], path: str, keys: set[str]
) -> None:
    caller = bearer(tokens["caller"])

    refused(service.post(path, json={}), 401, keys)
    refused(service.post(path, json={}, headers=bearer(tokens["admin"])), 403, keys)
    refused(service.post(path, content=b"x" * 10_001, headers=caller), 413, keys)
    refused(service.post(path, json={}, headers=caller), 503, keys)
    refused(service.delete(path, headers=caller), 405, keys)


@pytest.mark.parametrize(("path", "keys"), [*ASKING, ("/version", MLFLOW)])
def test_descriptions_are_for_callers(service: httpx.Client, path: str, keys: set[str]) -> None:
    refused(service.get(path), 401, keys)


@pytest.mark.parametrize("path", OPEN)
def test_probes_need_no_credentials(service: httpx.Client, path: str) -> None:
    assert service.get(path).status_code == (200 if path.endswith("live") else 503)


@pytest.mark.parametrize(
    ("path", "keys"), [("/v2/nowhere", TEXT), ("/v1/models/a/b/c", TEXT), ("/v2/models/a/b", TEXT)]
)
def test_an_unknown_path_is_not_found(
    service: httpx.Client, tokens: dict[str, str], path: str, keys: set[str]
) -> None:
    refused(service.get(path, headers=bearer(tokens["caller"])), 404, keys)


def test_a_hasty_caller_is_told_when_to_ask_again(service: httpx.Client, tokens: dict[str, str]) -> None:
    answers = [service.post("/invocations", json={}, headers=bearer(tokens["hasty"])) for _ in range(3)]

    refused(answers[-1], 429, MLFLOW)
    assert answers[-1].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, Code.UNAUTHENTICATED),
        ("admin", Code.PERMISSION_DENIED),
        ("hasty", Code.RESOURCE_EXHAUSTED),
        ("caller", Code.UNAVAILABLE),
    ],
)
def test_grpc_has_a_status_for_each(stub: Any, tokens: dict[str, str], key: str | None, code: Code) -> None:
    metadata = list(bearer(tokens[key]).items()) if key else None
    request = service_pb2.ModelInferRequest(model_name=PROBLEM.name)

    for _ in range(2):
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(request, metadata=metadata)

    assert error.value.code() is code, error.value.details()
    assert error.value.details()
    if key == "hasty":
        assert int(dict(error.value.trailing_metadata())["retry-after"]) > 0


def test_grpc_takes_a_key_by_its_own_name_too(stub: Any, tokens: dict[str, str]) -> None:
    described = stub.ServerMetadata(
        service_pb2.ServerMetadataRequest(), metadata=[("x-api-key", tokens["caller"])]
    )

    assert described.name


def test_grpc_probes_need_no_credentials(stub: Any) -> None:
    assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
    assert not stub.ServerReady(service_pb2.ServerReadyRequest()).ready


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ServerMetadata", service_pb2.ServerMetadataRequest()),
        ("ModelReady", service_pb2.ModelReadyRequest(name=PROBLEM.name)),
        ("ModelMetadata", service_pb2.ModelMetadataRequest(name=PROBLEM.name)),
        ("ModelInfer", service_pb2.ModelInferRequest(model_name=PROBLEM.name)),
    ],
)
def test_grpc_asks_every_call_for_its_scope(
    stub: Any, tokens: dict[str, str], call: str, message: Any
) -> None:
    codes = []
    for credentials in ({}, bearer(tokens["admin"])):
        with pytest.raises(grpc.RpcError) as error:
            getattr(stub, call)(message, metadata=list(credentials.items()))
        codes.append(error.value.code())

    assert codes == [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED]
