"""`make demo` as a user runs it, on a shrunken year and cut off from every network but loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.settings import REPOSITORY

pytestmark = pytest.mark.timeout(900)

# One quick family on some days; `test_loop.py` has them all, on more.
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
LOOPBACK_ONLY = """
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def demo_command(world: Path) -> list[str]:
    return ["make", "demo", f"ARGS=--var {world}"]


def without_network(command: list[str]) -> list[str]:
    """The command in a network namespace of its own, where only loopback is up."""
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--net", *rights, sys.executable, "-c", LOOPBACK_ONLY, *command]


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


def test_the_demo_runs_whole_without_a_network(world: Path) -> None:
    done = subprocess.run(
        without_network(demo_command(world)),
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "served predictions" in done.stdout
    assert "make ui" in done.stdout
    assert (world / "replay" / "replay.html").is_file()
    assert (world / "replay" / "replay.png").is_file()


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
