"""`make ui` opens four servers on one world, prints where they are, and leaves none behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from experiments.errors import NothingToShowError
from experiments.ui import show
from monitoring.ml.settings import MonitoringSettings
from tests.inference.world import REPOSITORY, build_world

SERVERS = {"mlflow", "evidently", "inference", "prefect"}
LINK = re.compile(r"^\s*(\w+)\s+(http://127\.0\.0\.1:\d+/\S*)$")


def start_ui(var: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "ROUNDTRIP_VAR": str(var),
        "ROUNDTRIP_PROBLEM": "tests.inference.parking:PROBLEM",
        "ROUNDTRIP_FEATURE_REPO": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "experiments.ui"]
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


@pytest.mark.timeout(600)
def test_pages_open_and_ctrl_c_ends_them(tmp_path: Path) -> None:
    build_world(tmp_path)
    ui = start_ui(tmp_path)
    links = read_links(ui)
    assert links.keys() == SERVERS
    assert {httpx.get(link, timeout=30).status_code for link in links.values()} == {200}

    ui.send_signal(signal.SIGINT)
    assert ui.wait(timeout=60) == 0
    for link in links.values():
        with pytest.raises(httpx.ConnectError):
            httpx.get(link)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match=r"make demo"):
        show(MonitoringSettings(var=tmp_path), Console())
