"""Without the worked problem the rest is whole: it lints, helps, collects and runs the second problem."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.isolation import RUN
from tests.repository.sources import ROOT, list_files

LINES = {"README.md": 2, "pyproject.toml": 2}
# The vocabulary and the README's map on what is left, and a problem's whole loop.
ENGINE = (
    *("tests/repository/test_readme.py", "tests/repository/test_vocabulary.py"),
    *("tests/repository/test_configuration.py", "tests/test_second_problem.py"),
)


@pytest.fixture(scope="module")
def stripped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, with the environment that is here, after `make forget-example`."""
    copy = tmp_path_factory.mktemp("stripped") / "repository"
    for path in list_files():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    for command in (("init", "--quiet"), ("add", "--all", ":!.venv")):
        subprocess.run(["git", *command], cwd=copy, check=True)
    run(copy, "make", "forget-example")
    return copy


def run(copy: Path, *command: str) -> str:
    """Run a command on the copy's own modules; its output."""
    own = {"PYTHONPATH": os.pathsep.join([str(copy), str(copy / "ml-models")]), "PYTEST_ADDOPTS": ""}
    inherited = {name: value for name, value in os.environ.items() if name != RUN}
    done = subprocess.run(command, cwd=copy, env=inherited | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-5_000:]}\n{done.stderr[-2_000:]}"
    return done.stdout


def test_no_more_goes_than_contributing_lists(stripped: Path) -> None:
    changed = [line.split("\t") for line in run(stripped, "git", "diff", "--numstat").splitlines()]
    lines = {path: int(removed) for _, removed, path in changed if "flight_delay" not in Path(path).parts}
    assert lines == LINES
    assert not [path for path in stripped.rglob("flight_delay") if ".git" not in path.parts]


@pytest.mark.stripped
@pytest.mark.timeout(900)
def test_the_engine_is_whole_without_it(stripped: Path) -> None:
    assert "forget-example" in run(stripped, "make", "help")
    run(stripped, "make", "lint")
    assert "error" not in run(stripped, ".venv/bin/python", "-m", "pytest", "--collect-only", "-qq", "tests")
    run(stripped, ".venv/bin/python", "-m", "pytest", "-q", "-m", "not slow and not nightly", *ENGINE)
