"""`make demo`, interrupted by a user; `test_loop.py` relives it whole."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.settings import REPOSITORY

pytestmark = pytest.mark.timeout(900)

SHRUNKEN = {
    "ROUNDTRIP_PROBLEM": "tests.flight_delay.quick_problem:PROBLEM",
    "ROUNDTRIP_REPLAY_START": "2013-01-05",
    "ROUNDTRIP_REPLAY_END": "2013-01-28",
    "ROUNDTRIP_REPLAY_WARM_UP": "P15D",
    "ROUNDTRIP_REPLAY_WEEKS": "1",
}
ENVIRONMENT = os.environ | SHRUNKEN
# How many processes there are: first the build and the orchestrator, later the services and a training run.
BUILDING, TRAINING = 2, 7


def demo_command(world: Path) -> list[str]:
    return ["make", "demo", f"ARGS=--var {world}"]


def processes_of(world: Path) -> list[int]:
    """Every running process that works in this world, by its environment."""
    needle = f"ROUNDTRIP_VAR={world}".encode()
    return [
        int(process.name) for process in Path("/proc").glob("[0-9]*") if needle in environment_of(process)
    ]


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    world = tmp_path / "demo"
    yield world
    assert processes_of(world) == []


@pytest.mark.parametrize("running", [BUILDING, pytest.param(TRAINING, marks=pytest.mark.nightly)])
def test_ctrl_c_leaves_no_process_behind(world: Path, running: int) -> None:
    demo = subprocess.Popen(
        demo_command(world),
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for_processes(world, demo, running)

    os.killpg(demo.pid, signal.SIGINT)
    output, _ = demo.communicate(timeout=60)

    assert demo.returncode != 0
    assert "every process was stopped" in output


def wait_for_processes(world: Path, demo: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 300
    while len(processes_of(world)) < count:
        assert demo.poll() is None, demo.communicate()[0]
        assert time.monotonic() < deadline, "the demo did not start its processes"
        time.sleep(0.2)
