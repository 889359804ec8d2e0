"""The monitor asks who calls as the service does, and decides on no window that has not ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from inference.access.caller import Scope
from monitoring.ml.__main__ import app as commands
from monitoring.ml.server import server
from monitoring.ml.server.app import create_app
from monitoring.ml.settings import MonitoringSettings
from tests.inference.callers import bearer, new_key
from tests.monitoring.orders import START, WEEK

END = (START + WEEK).isoformat()
ASKED = [("POST", "/v1/evaluate"), ("GET", "/v1/decisions"), ("GET", "/v1/reports"), ("GET", "/metrics")]
HERE = "http://127.0.0.1"


@pytest.fixture
def client(settings: MonitoringSettings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), HERE) as asking:
        yield asking


@pytest.fixture
def tokens(tmp_path: Path) -> dict[Scope, str]:
    return {scope: new_key(tmp_path / "keys.json", scope, [scope]) for scope in ("predict", "admin")}


@pytest.fixture
def guarded(settings: MonitoringSettings, tokens: dict[Scope, str], tmp_path: Path) -> Iterator[TestClient]:
    """A monitor that asks for keys."""
    serving = settings.inference.model_copy(update={"api_keys": tmp_path / "keys.json"})
    keyed = settings.model_copy(update={"inference": serving})
    with TestClient(create_app(keyed), "http://monitor.example") as asking:
        yield asking


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_every_path_but_health_asks_for_a_key_of_the_scope_admin(
    guarded: TestClient, tokens: dict[Scope, str], method: str, path: str
) -> None:
    nobody, caller, keeper = (
        guarded.request(method, path, json={"as_of": END}, headers=headers)
        for headers in ({}, bearer(tokens["predict"]), bearer(tokens["admin"]))
    )

    assert (nobody.status_code, caller.status_code, keeper.status_code) == (401, 403, 200)
    assert nobody.json()["error"] == "UnauthenticatedError"
    assert nobody.headers["www-authenticate"] == 'Bearer realm="roundtrip"'
    described = guarded.get("/openapi.json").json()["paths"][path][method.lower()]
    assert described["security"]
    assert {"401", "403"} <= set(described["responses"])


def test_what_no_route_answers_is_not_open_either(guarded: TestClient) -> None:
    assert guarded.get("/nowhere").status_code == 401


def test_health_tells_strangers_no_more_than_that_it_runs(guarded: TestClient) -> None:
    answer = guarded.get("/health/live", headers={"host": "10.0.3.7:8010"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://page.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "page.example:8010"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_page_in_the_browser_has_no_window_decided(
    client: TestClient, settings: MonitoringSettings, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/evaluate", json={"as_of": END}, headers=headers)

    assert answer.status_code == status
    assert answer.json()["detail"]
    assert not settings.decisions_file.exists()


def test_a_page_whose_name_was_rebound_reads_nothing(client: TestClient) -> None:
    for _, path in (*ASKED[1:], ("GET", "/openapi.json")):
        assert client.get(path, headers={"host": "page.example"}).status_code == 403, path


def test_a_monitor_that_strangers_reach_does_not_start_unguarded(
    settings: MonitoringSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(settings.var))
    monkeypatch.setattr(server, "take_port", lambda *_: pytest.fail("the port was opened"))

    answer = CliRunner().invoke(commands, ["serve", "--host", "0.0.0.0"])

    assert answer.exit_code == 1
    assert "ROUNDTRIP_API_KEYS" in answer.output


def undecidable() -> dict[str, tuple[str, str]]:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return {
        "tomorrow": (tomorrow.isoformat(), "WindowNotEndedError"),
        "far off": ("9999-12-31T23:59:59-14:00", "WindowNotEndedError"),
        "year 1": ("0001-01-01T00:00:00Z", "WindowOutOfRangeError"),
        "before year 1": ("0001-01-01T00:00:00+14:00", "WindowOutOfRangeError"),
        "long ago": ("1677-09-21T00:00:00Z", "WindowOutOfRangeError"),
    }


@pytest.mark.parametrize("moment", undecidable())
def test_a_window_that_has_not_ended_or_is_out_of_range_is_refused_and_not_recorded(
    client: TestClient, settings: MonitoringSettings, moment: str
) -> None:
    as_of, error = undecidable()[moment]

    answer: Any = client.post("/v1/evaluate", json={"as_of": as_of})

    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert not settings.decisions_file.exists()
    assert client.get("/v1/decisions").json() == []


def test_the_command_does_not_decide_in_advance_either(
    settings: MonitoringSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(settings.var))
    monkeypatch.setenv("ROUNDTRIP_PROBLEM", settings.problem)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    answer = CliRunner().invoke(commands, ["evaluate", "--as-of", tomorrow])

    assert answer.exit_code == 1
    assert "has ended" in answer.output
    assert not settings.decisions_file.exists()
