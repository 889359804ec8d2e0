"""No token, key or password is in anything that a served process writes, answers or keeps."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from contracts.errors import RegistryUnavailableError
from contracts.registry import current
from contracts.settings import RegistrySettings
from inference.access.caller import Scope
from tests.inference.callers import bearer, new_key
from tests.inference.running import ROOT, SAYS_JSON, started_command, wait_until
from tests.inference.world import add_version, instance, set_champion, world_settings

SCRIPT = ROOT / "inference" / "__main__.py"
PSEUDONYM_KEY = "5eed" * 16
FOREIGN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2VjcmV0LXNpZ25hdHVyZQ"
READ = ("/metrics", "/openapi.json", "/health/ready", "/v1/model", "/docs", "/v2", "/v1/models/parking")


@dataclass(frozen=True)
class Traces:
    """All that a served process left behind: what it answered, printed, and wrote under its folder."""

    answered: bytes
    printed: bytes
    written: bytes


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    return {"the pseudonyms' key": PSEUDONYM_KEY, "a foreign token": FOREIGN}


@pytest.fixture(scope="module")
def traces(built_world: Path, tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, str]) -> Traces:
    var = tmp_path_factory.mktemp("secret") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var)
    set_champion(settings, add_version(settings, 1.0))
    keys = var / "access" / "keys.json"
    callers: dict[str, list[Scope]] = {"caller": ["predict"], "keeper": ["predict", "admin"]}
    for name, scopes in callers.items():
        secrets[name] = new_key(keys, name, scopes)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROUNDTRIP_API_KEYS", str(keys))
        environment.setenv("ROUNDTRIP_PSEUDONYM_KEY", PSEUDONYM_KEY)
        environment.setenv("ROUNDTRIP_PROBLEM", "tests.inference.personal_parking:PROBLEM")
        environment.setenv("ROUNDTRIP_REQUEST_LOG", "all")
        environment.setenv("ROUNDTRIP_LOG_FORMAT", "json")
        with started_command(SCRIPT, settings) as (process, url):
            answered = ask_in_every_way(url, secrets)
            process.terminate()
            assert process.stdout is not None
            printed = process.stdout.read().encode()
    written = b"\0".join(path.read_bytes() for path in sorted(var.rglob("*")) if path.is_file())
    return Traces(answered, printed, written)


def ask_in_every_way(url: str, secrets: dict[str, str]) -> bytes:
    """Everything that is answered to callers who present their secrets where they belong and where not."""
    answers: list[httpx.Response] = []
    with httpx.Client(base_url=url, headers=SAYS_JSON, timeout=30) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, "a model")
        for token in secrets.values():
            for headers in ({**bearer(token)}, {"X-API-Key": token}, bearer(f"{token[:-2]}xx")):
                answers += [client.get(path, headers=headers) for path in READ]
                answers += [
                    client.post("/v1/predict", json=instance(), headers=headers),
                    client.post("/v1/predict", json=instance(site=7), headers=headers),
                    client.post("/v1/predict", content=b"{", headers=headers),
                    client.post("/v1/models/parking:predict", json={"instances": 5}, headers=headers),
                    client.post("/invocations", json={"inputs": 5}, headers=headers),
                ]
            answers.append(client.get("/v1/model", params={"api_key": token}))
            answers.append(client.post("/v1/predict", json=instance(), params={"access_token": token}))
    assert {200, 400, 401, 403, 422} <= {answer.status_code for answer in answers}
    return b"\0".join(
        answer.content + str(sorted(answer.headers.multi_items())).encode() for answer in answers
    )


def secret_parts(secrets: dict[str, str]) -> dict[str, bytes]:
    """What must not be seen: of a key the part after its name, of a token the payload and the signature."""
    return {
        f"{name}, part {number}": part.encode()
        for name, secret in secrets.items()
        for number, part in enumerate(secret.split("."))
        if len(part) > 16
    }


@pytest.mark.parametrize("where", ["answered", "printed", "written"])
def test_no_secret_shows(traces: Traces, secrets: dict[str, str], where: str) -> None:
    text: bytes = getattr(traces, where)
    parts = secret_parts(secrets)
    assert len(text) > 100
    assert len(parts) >= 5
    assert [name for name, part in parts.items() if part in text] == []


def test_requests_were_logged_and_callers_named(traces: Traces) -> None:
    assert b"key:caller" in traces.printed


def test_the_registry_s_password_stays_out_of_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://serving:pass-phrase@127.0.0.1:9"
    settings = RegistrySettings(var=tmp_path, tracking_uri=uri)

    with pytest.raises(RegistryUnavailableError) as refused:
        current(settings, "parking")

    assert "127.0.0.1:9" in str(refused.value)
    assert "pass-phrase" not in str(refused.value)
    assert refused.value.__cause__ is None
