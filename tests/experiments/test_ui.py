"""`make ui` opens four servers on one world, prints where they are, and leaves none behind."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from experiments.errors import NothingToShowError
from experiments.ui import show
from monitoring.ml.settings import MonitoringSettings
from tests.inference.world import REPOSITORY, build_world
from tests.measured import measured_python

pytestmark = pytest.mark.timeout(600)

SERVERS = {"mlflow", "evidently", "inference", "prefect"}
PASSWORD = re.compile(r"^Prefect asks for (roundtrip:\S+)$")
PAGE = "http://page.example"
# How a page in the user's browser may send something: as JSON; with no question asked first; under a name of
# its own that leads to this machine.
WAYS = {
    "another origin": {"Origin": PAGE, "Content-Type": "application/json"},
    "text/plain": {"Origin": PAGE, "Content-Type": "text/plain"},
    "rebinding": {
        "Host": "page.example:{port}",
        "Origin": PAGE + ":{port}",
        "Content-Type": "application/json",
    },
}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "mlflow": ("api/2.0/mlflow/experiments/create", {"name": "the page's"}),
    "evidently": ("api/projects", {"name": "the page's"}),
    "prefect": ("api/flows/", {"name": "the page's"}),
}
LINK = re.compile(r"^\s*(\w+)\s+(http://127\.0\.0\.1:\d+/\S*)$")


def start_ui(var: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "ROUNDTRIP_VAR": str(var),
        "ROUNDTRIP_PROBLEM": "tests.inference.parking:PROBLEM",
        "ROUNDTRIP_FEATURE_REPO": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
    }
    command = [*measured_python(), "-m", "experiments.ui"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def read_links(ui: subprocess.Popen[str]) -> dict[str, str]:
    """Each server's address, read until all are there or the output ends."""
    links: dict[str, str] = {}
    assert ui.stdout is not None
    for line in ui.stdout:
        if found := LINK.match(line):
            links[found[1]] = found[2]
        if links.keys() >= SERVERS:
            break
    return links


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """The four servers on one world, starting."""
    build_world(var := tmp_path_factory.mktemp("ui"))
    ui = start_ui(var)
    yield ui
    ui.send_signal(signal.SIGINT)
    ui.wait(timeout=60)


@pytest.fixture(scope="module")
def links(ui: subprocess.Popen[str]) -> dict[str, str]:
    links = read_links(ui)
    assert links.keys() == SERVERS
    return links


@pytest.fixture(scope="module")
def password(ui: subprocess.Popen[str], links: dict[str, str]) -> str:
    assert ui.stdout is not None
    asked = PASSWORD.match(ui.stdout.readline())
    assert asked is not None
    return asked[1]


def test_pages_open(links: dict[str, str]) -> None:
    assert {httpx.get(link, timeout=30).status_code for link in links.values()} == {200}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("server", WRITES)
def test_a_page_in_the_browser_writes_nothing(links: dict[str, str], server: str, way: str) -> None:
    address = httpx.URL(links[server]).join("/")
    headers = {name: text.format(port=address.port) for name, text in WAYS[way].items()}
    path, body = WRITES[server]
    refused = httpx.post(address.join(path), headers=headers, content=json.dumps(body), timeout=30)
    assert refused.status_code in {401, 403}
    assert refused.headers.get("access-control-allow-origin") is None


def test_a_page_sends_the_orchestrator_no_events(links: dict[str, str]) -> None:
    asked = httpx.get(f"{links['prefect']}api/events/in", headers={"Origin": PAGE, **WEBSOCKET}, timeout=30)
    assert asked.status_code == 403


def test_whoever_has_the_password_uses_the_orchestrator(links: dict[str, str], password: str) -> None:
    name, _, secret = password.partition(":")
    flows = httpx.post(f"{links['prefect']}api/flows/filter", json={}, auth=(name, secret), timeout=30)
    assert (flows.status_code, flows.json()) == (200, [])


def test_ctrl_c_ends_them(ui: subprocess.Popen[str], links: dict[str, str]) -> None:
    ui.send_signal(signal.SIGINT)
    assert ui.wait(timeout=60) == 0
    for link in links.values():
        with pytest.raises(httpx.ConnectError):
            httpx.get(link)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match=r"make demo"):
        show(MonitoringSettings(var=tmp_path), Console())
