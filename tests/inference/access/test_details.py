"""Whoever lacks the scope `admin` is told what fails, and not where: no paths, no statements."""

import shutil
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from contracts.bundle.contract import MODEL_FILE
from inference.settings import InferenceSettings
from tests.inference.callers import bearer, new_key
from tests.inference.parking import PROBLEM
from tests.inference.running import free_port, running_server, wait_until
from tests.inference.validation.test_given_features import given
from tests.inference.world import add_version, bundle_folder, instance, set_champion

HEALTH = ["/health/ready", "/v2/health/ready", "/ping", "/health"]
DESCRIBED = ["/v1/model", f"/v2/models/{PROBLEM.name}", f"/v1/models/{PROBLEM.name}"]
PREDICTED = [
    "/v1/predict",
    f"/v2/models/{PROBLEM.name}/infer",
    f"/v1/models/{PROBLEM.name}:predict",
    "/invocations",
]


@pytest.fixture
def tokens(settings: InferenceSettings) -> dict[str, str]:
    path = settings.var / "keys.json"
    return {
        "caller": new_key(path, "caller"),
        "keeper": new_key(path, "keeper", ["admin"]),
        "both": new_key(path, "both", ["predict", "admin"]),
    }


@pytest.fixture
def guarded(settings: InferenceSettings, tokens: dict[str, str]) -> InferenceSettings:
    return settings.model_copy(update={"api_keys": settings.var / "keys.json", "grpc_port": free_port()})


@pytest.fixture
def unserved(guarded: InferenceSettings) -> Iterator[httpx.Client]:
    """A service whose registry is no database, as it says with the path and the statement that failed."""
    assert guarded.registry.tracking_db is not None
    guarded.registry.tracking_db.write_bytes(b"no database " * 1_000)
    with running_server(guarded, ready=False) as client:
        yield client


def reveals(text: str, settings: InferenceSettings) -> bool:
    """Whether a text says where things lie, or how they are asked for."""
    return any(word in text for word in (str(settings.var), "SELECT", "sqlite", "PRAGMA", ".py"))


def test_without_a_model_only_an_administrator_is_told_why(
    unserved: httpx.Client, guarded: InferenceSettings, tokens: dict[str, str]
) -> None:
    keeper = bearer(tokens["keeper"])
    wait_until(lambda: reveals(unserved.get("/health/ready", headers=keeper).text, guarded), "the reason", 10)
    both, caller = bearer(tokens["both"]), bearer(tokens["caller"])

    refused = [unserved.get(path) for path in HEALTH]
    refused += [unserved.get(path, headers=caller) for path in DESCRIBED]
    refused += [unserved.post(path, json=instance(), headers=caller) for path in PREDICTED]

    assert {answer.status_code for answer in refused} == {503}
    assert [answer.text for answer in refused if reveals(answer.text, guarded)] == []
    assert refused[0].json()["error"]["code"] == "no_model"
    told = [unserved.get(path, headers=keeper) for path in HEALTH]
    told += [unserved.get(path, headers=both) for path in DESCRIBED]
    told += [unserved.post(path, json=instance(), headers=both) for path in PREDICTED]
    assert all(reveals(answer.text, guarded) for answer in told)


def test_grpc_tells_no_more(
    unserved: httpx.Client, guarded: InferenceSettings, tokens: dict[str, str]
) -> None:
    keeper = bearer(tokens["keeper"])
    wait_until(lambda: reveals(unserved.get("/health/ready", headers=keeper).text, guarded), "the reason", 10)
    with grpc.insecure_channel(f"127.0.0.1:{guarded.grpc_port}") as channel:
        ask: Any = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        told = {}
        for name in ("caller", "both"):
            with pytest.raises(grpc.RpcError) as refused:
                ask(
                    service_pb2.ModelInferRequest(model_name=PROBLEM.name),
                    metadata=list(bearer(tokens[name]).items()),
                )
            told[name] = reveals(refused.value.details(), guarded)
    assert told == {"caller": False, "both": True}


def test_what_fails_meanwhile_is_a_code_to_strangers(
    guarded: InferenceSettings, champion: str, tokens: dict[str, str]
) -> None:
    with running_server(guarded) as client:
        worse = add_version(guarded, 2.0)
        graph = bundle_folder(guarded, worse) / MODEL_FILE
        graph.unlink()
        set_champion(guarded, worse)
        [said] = wait_until(lambda: client.get("/health/ready").json()["warnings"], "the refusal", 10)
        [told] = client.get("/health/ready", headers=bearer(tokens["keeper"])).json()["warnings"]
        followed = {
            name: client.get("/v1/model", headers=bearer(tokens[name])).json()["follower"]["error"]
            for name in ("caller", "both")
        }

    assert said["code"] == told["code"] == "model_not_followed"
    assert followed == {"caller": said["message"], "both": told["message"]}
    assert not reveals(said["message"], guarded)
    assert MODEL_FILE in told["message"]


def test_a_log_that_cannot_be_written_is_not_located(
    guarded: InferenceSettings, champion: str, tokens: dict[str, str]
) -> None:
    with running_server(guarded) as client:
        shutil.rmtree(guarded.var / "predictions", ignore_errors=True)
        (guarded.var / "predictions").write_text("no folder")
        answers = {
            name: client.post("/v1/predict", json=given(name), headers=bearer(tokens[name]))
            for name in ("caller", "both")
        }

    assert {answer.status_code for answer in answers.values()} == {503}
    assert {name: reveals(answer.text, guarded) for name, answer in answers.items()} == {
        "caller": False,
        "both": True,
    }


@pytest.mark.parametrize("host", ["page.example", "10.0.3.7:8000"])
def test_a_health_route_that_is_called_by_another_name_tells_no_details(
    settings: InferenceSettings, host: str
) -> None:
    assert settings.registry.tracking_db is not None
    settings.registry.tracking_db.write_bytes(b"no database " * 1_000)
    with running_server(settings, ready=False) as client:
        wait_until(lambda: reveals(client.get("/health/ready").text, settings), "the reason", 10)
        answer = client.get("/health/ready", headers={"host": host})

    assert answer.status_code == 503
    assert not reveals(answer.text, settings)
