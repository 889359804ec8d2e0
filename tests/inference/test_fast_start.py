"""From start to ready: what a service with a serving plan never imports."""

import re
import signal
from pathlib import Path

import httpx
import pytest

from contracts.registry import open_client
from features.online.plan_file import read_plan
from inference.model_loading.last_deployment import LastDeployment
from inference.model_loading.model_follower import ModelFollower
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM
from tests.inference.running import (
    ServerProcess,
    is_ready,
    running_server,
    started_command,
    wait_until,
)
from tests.inference.world import add_version, instance, set_champion

SLOW_TO_IMPORT = ("feast", "torch", "ibis", "duckdb", "evidently", "prefect", "xgboost", "sklearn")
REPORTING = f"""
import signal, sys

def report(*_):
    print("imported:", *sorted(set(sys.modules) & set({SLOW_TO_IMPORT!r})), flush=True)

signal.signal(signal.SIGUSR1, report)
sys.argv[0] = "inference"
from inference.__main__ import app
app()
"""


def test_a_service_with_a_plan_imports_no_feast(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    # given
    assert read_plan(settings.features, PROBLEM.feature_service) is not None
    script = tmp_path / "reporting.py"
    script.write_text(REPORTING)
    # when
    with started_command(script, settings) as (process, url):
        wait_until(lambda: is_ready(url), "a model")
        answered = httpx.post(f"{url}/v1/predict", json=instance(), timeout=30)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout is not None
        reported = process.stdout.readline()
    # then
    assert answered.status_code == 200, answered.text
    assert reported.split() == ["imported:"]


def test_it_starts_with_what_it_served_last_while_the_registry_is_away(
    settings: InferenceSettings, champion: str
) -> None:
    # given
    with running_server(settings):
        pass
    assert settings.registry.tracking_db is not None
    away = settings.registry.tracking_db.rename(settings.registry.tracking_db.with_suffix(".away"))
    # when
    with running_server(settings) as client:
        answered = client.post("/v1/predict", json=instance())
        wait_until(lambda: client.get("/health/ready").json()["warnings"], "a warning")
        away.rename(settings.registry.tracking_db)
        wait_until(lambda: not client.get("/health/ready").json()["warnings"], "recovery")
    # then
    assert answered.json()["predictions"][0]["model_version"] == champion


def test_a_registry_that_was_emptied_is_away_and_stays_as_it_is(
    settings: InferenceSettings, champion: str
) -> None:
    # given a service that served, and a registry of which somebody took the content
    with running_server(settings):
        pass
    database = settings.registry.tracking_db
    assert database is not None
    content = database.read_bytes()
    database.write_bytes(b"")
    # when it starts again, in a process that has never seen the registry
    process = ServerProcess(settings)
    process.wait_until_ready()
    with httpx.Client(base_url=process.url, timeout=30) as client:
        # then it serves what it served, says so, and makes no new registry of the file
        wait_until(lambda: "holds no registry" in client.get("/health/ready").text, "a warning")
        assert client.get("/v1/model").json()["version"] == champion
        assert database.read_bytes() == b""
        # and follows the registry once it is back
        database.write_bytes(content)
        newer = add_version(settings, 2.0)
        set_champion(settings, newer)
        wait_until(lambda: client.get("/v1/model").json()["version"] == newer, "the registry's return")
    process.kill()


def test_it_follows_what_was_deployed_while_it_was_down(settings: InferenceSettings, champion: str) -> None:
    with running_server(settings):
        pass
    newer = add_version(settings, 2.0)
    set_champion(settings, newer)
    with running_server(settings) as client:
        wait_until(lambda: client.get("/health/ready").json()["model_version"] == newer, "the new version")
    last = LastDeployment(settings, PROBLEM.name).recall()
    assert last is not None
    assert last.serving is not None
    assert last.serving.version == newer


def test_what_was_served_last_ends_where_the_registry_has_no_champion(
    settings: InferenceSettings, champion: str
) -> None:
    # given
    with running_server(settings):
        pass
    open_client(settings.registry).delete_registered_model_alias(PROBLEM.name, settings.alias)
    # when
    follower = ModelFollower(settings, PROBLEM, on_load=lambda _: None)
    follower.resume()
    resumed = follower.served
    follower.poll()
    # then
    assert resumed is not None
    assert follower.served is None
    assert "no champion" in follower.reason


@pytest.mark.parametrize("harm", ["truncated", "another registry", "no bundle"])
def test_what_was_served_last_is_left_when_it_cannot_be_resumed(
    settings: InferenceSettings, champion: str, harm: str
) -> None:
    # given
    with running_server(settings):
        pass
    kept = LastDeployment(settings, PROBLEM.name).path
    if harm == "truncated":
        kept.write_bytes(kept.read_bytes()[:-30])
    elif harm == "another registry":
        kept.write_text(re.sub(r'"registry": "\w+"', '"registry": "0"', kept.read_text()))
    else:
        kept.write_text(kept.read_text().replace("level-1.0", "level-9.9"))
    # when
    follower = ModelFollower(settings, PROBLEM, on_load=lambda _: None)
    follower.resume()
    resumed = follower.served
    follower.poll()
    # then: the registry says what is served
    assert resumed is None
    assert follower.served is not None
    assert follower.served.version == champion
