"""Child processes: started on free ports, watched, and none left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.errors import NotADemoFolderError, ProcessFailedError
from experiments.processes import Supervisor, free_port
from experiments.replay.world import start_clean

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]
WITH_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(p.pid, flush=True); p.wait()",
]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not path.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text()


def test_a_busy_port_is_chosen_around() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]

        assert free_port(taken) != taken


def test_a_port_is_given_once_and_to_nobody_before_its_server_has_it() -> None:
    port = free_port(0)
    elsewhere = subprocess.run(
        [sys.executable, "-c", f"from experiments.processes import free_port; print(free_port({port}))"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(elsewhere.stdout) != port
    assert free_port(port) != port
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()


def test_stopping_ends_children_of_children(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        service = supervisor.start("parent", WITH_CHILD, {})
        grandchild = int(wait_for_text(service.log))
        assert is_running(grandchild)

    assert not is_running(service.process.pid)
    assert not is_running(grandchild)


def test_a_process_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        service = supervisor.start("broken", [sys.executable, "-c", "raise SystemExit('no table')"], {})

        with pytest.raises(ProcessFailedError, match=r"(?s)broken ended with exit code 1.*no table"):
            service.wait_until(lambda: False, seconds=10)


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, pytest.raises(ProcessFailedError, match="exit code 3"):
        supervisor.run("three", [sys.executable, "-c", "raise SystemExit(3)"], {})


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; import sys, time; from experiments.processes import Supervisor;"
        f"s = Supervisor(Path({str(tmp_path)!r})); c = s.start('child', {FOREVER!r}, {{}});"
        "print(c.process.pid, flush=True);"
        "time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(child)


def test_a_replay_never_empties_what_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(NotADemoFolderError):
        start_clean(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_second_replay_starts_clean(tmp_path: Path) -> None:
    world = tmp_path / "demo"
    start_clean(world)
    (world / "old").write_text("left over")

    start_clean(world)

    assert not (world / "old").exists()
