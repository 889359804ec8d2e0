"""The supervisor of several workers, with small ones: restarts, ends, and gives up when it must."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.workers.supervisor import GIVE_UP_AFTER
from tests.inference import supervised
from tests.inference.running import PATIENCE, ROOT, wait_until
from tests.measured import measured_python

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts supervisors, each gone afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start_one(kind: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*measured_python(), "-m", supervised.__name__, kind, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """The lines up to the one that begins with `wanted`."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(wanted):
            return seen
    raise AssertionError("".join(seen))


def pids(lines: list[str]) -> list[int]:
    return [int(line.split()[2]) for line in lines if line.startswith("worker ")]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_passes_the_end_on_and_ends_with_0(start: Start, ending: signal.Signals) -> None:
    process = start("steady")
    workers = pids(read_until(process, "all listen"))
    process.send_signal(ending)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert len(workers) == supervised.WORKERS
    assert all(is_gone(pid) for pid in workers)


def test_a_worker_that_dies_is_replaced_and_the_others_stay(start: Start) -> None:
    # given
    process = start("steady")
    victim, other = pids(read_until(process, "all listen"))
    # when
    os.kill(victim, signal.SIGKILL)
    # then
    [replacement] = pids(read_until(process, "worker "))
    assert replacement not in (victim, other)
    assert not is_gone(other)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_workers_end_when_the_supervisor_is_killed(start: Start) -> None:
    process = start("steady")
    workers = pids(read_until(process, "all listen"))
    process.kill()
    wait_until(lambda: all(is_gone(pid) for pid in workers), "the workers' end")


def test_workers_that_cannot_start_end_the_service_with_an_error(start: Start) -> None:
    said, _ = start("failing").communicate(timeout=PATIENCE)
    assert "RuntimeError: the configuration is wrong" in said
    assert "error: worker" in said
    assert "before it listened" in said


def test_it_gives_up_when_no_worker_comes_back(start: Start, tmp_path: Path) -> None:
    process = start("worn_out", str(tmp_path))
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert said.count("RuntimeError: the configuration is wrong") >= GIVE_UP_AFTER
    assert "before it listened" in said


def test_a_worker_that_does_not_end_is_killed_and_told_of(start: Start) -> None:
    process = start("stubborn")
    read_until(process, "all listen")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"{{0: -{signal.SIGKILL:d}, 1: -{signal.SIGKILL:d}}}" in said
