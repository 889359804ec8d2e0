"""Every command on the README and the shelf's runs, in their order, in one small world of real data."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.processes import Service, Supervisor, free_port
from tests.flight_delay.raw_days import write_raw_days
from tests.repository.sources import ROOT, list_targets, read_blocks

# Around the moment that the page trains at; the problem with windows of days and one quick family.
FIRST_DAY, END_DAY = "2013-03-18", "2013-04-09"
SHELF = ROOT / "ml-models" / "README.md"
PROBLEM = "tests.flight_delay.quick_problem:PROBLEM"
PORT = re.compile(r"(?<=--port )\d+|(?<=127\.0\.0\.1:)\d+")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page's commands find in their environment."""
    folder = tmp_path_factory.mktemp("readme")
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ROUNDTRIP_VAR": str(folder / "var"),
        "ROUNDTRIP_RAW_DIR": str(write_raw_days(folder / "raw", FIRST_DAY, END_DAY)),
        "ROUNDTRIP_PROBLEM": PROBLEM,
    }


@pytest.fixture(scope="module")
def supervisor(world: dict[str, str]) -> Iterator[Supervisor]:
    """Owns the servers that the page starts."""
    with Supervisor(Path(world["ROUNDTRIP_VAR"]) / "logs") as supervisor:
        yield supervisor


def plan_make(line: str) -> None:
    """A task is planned only: other tests run what the tasks run."""
    target = line.split()[1]
    assert target in list_targets()
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)


def serve(supervisor: Supervisor, block: str, world: dict[str, str]) -> None:
    """Start a server of the page and wait until it answers."""
    port = PORT.search(block)
    assert port is not None, "a server on the page names its port"
    command = ["bash", "-euo", "pipefail", "-c", block]
    service: Service = supervisor.start(
        f"server-{port.group()}", command, world, f"http://127.0.0.1:{port.group()}"
    )
    service.wait_for_answer("/health/ready" if "inference" in block else "/health/live", 120)


def run_script(block: str, world: dict[str, str]) -> None:
    """Run a block in bash and stop at its first failure; no library warns whoever runs it."""
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | world, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert "Warning" not in done.stderr, done.stderr


def move_ports(blocks: list[str]) -> list[str]:
    """The same blocks on ports that are free here."""
    ports = {port: str(free_port(0)) for block in blocks for port in PORT.findall(block)}
    return [PORT.sub(lambda found: ports[found.group()], block) for block in blocks]


@pytest.mark.timeout(900)
def test_every_command_runs(world: dict[str, str], supervisor: Supervisor) -> None:
    for block in move_ports([*read_blocks("sh"), *read_blocks("sh", SHELF)]):
        tasks = [line for line in block.splitlines() if line.startswith("make ")]
        script = "\n".join(line for line in block.splitlines() if line not in tasks)
        for line in tasks:
            plan_make(line)
        if " serve " in script:
            serve(supervisor, script, world)
        elif script.strip():
            run_script(script, world)
    for log in (Path(world["ROUNDTRIP_VAR"]) / "logs").iterdir():
        assert "Warning" not in log.read_text(), log.name
