"""A test run has an environment of its own, and nothing of it is left."""

import gc
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies

from tests.isolation import PATIENCE, RUN
from tests.repository.nested_run import run_pytest

LEAVES_A_PROCESS = """
import subprocess, sys
def test_it():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
"""
SEES_NOTHING = """
import os, tempfile
from pathlib import Path
from features.settings import FeatureSettings
def test_it():
    assert not FeatureSettings().model_fields_set
    assert not os.environ["PREFECT_API_URL"]
    Path(tempfile.gettempdir(), "left").touch()
    print(f"temporary: {tempfile.gettempdir()};")
"""


def test_a_process_that_is_left_fails_the_run(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, LEAVES_A_PROCESS, **{PATIENCE: "1"})

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "left running" in done.stdout
    assert "time.sleep(300)" in done.stdout


def test_the_users_settings_are_not_those_of_tests_and_temporary_files_go(tmp_path: Path) -> None:
    (tmp_path / "user.env").write_text("ROUNDTRIP_LINEAGE=off\n")
    user = {"ROUNDTRIP_VAR": "/nowhere", "ROUNDTRIP_ENV_FILE": str(tmp_path / "user.env")}

    done = run_pytest(
        tmp_path, SEES_NOTHING, **user, PREFECT_API_URL="http://127.0.0.1:9/api", PYTEST_ADDOPTS="-s"
    )

    assert done.returncode == pytest.ExitCode.OK, done.stdout
    [folder] = re.findall(r"temporary: (\S+);", done.stdout)
    assert not Path(folder).exists()


def test_this_run_has_its_folder() -> None:
    assert os.environ["TMPDIR"] == os.environ[RUN]


@given(strategies.none())
def test_hypothesis_does_not_run_inside_the_garbage_collector(nothing: None) -> None:
    assert not [callback for callback in gc.callbacks if callback.__module__.startswith("hypothesis")]
