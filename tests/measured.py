"""Lines are counted in all processes: in pytest's workers, and in what tests start as users do."""

import os
import sys
from pathlib import Path
from uuid import uuid4

from slipcover import pytest_plugin
from slipcover.config import read_config

# Set by SlipCover in its workers, which write their own figures into that folder.
FOLDER, WORKER = "SLIPCOVER_COVERAGE_DIR", "PYTEST_XDIST_WORKER"
PROJECT_FILE = Path(__file__).resolve().parents[1] / "pyproject.toml"


def keep_probes() -> None:
    """Let a worker's SlipCover leave its probes in, as `pyproject.toml` tells the other processes.

    To take out what was seen often enough it walks the modules of all threads, and fails, in whichever thread
    it happens to run, when another one imports something just then. It is no slower this way.
    """
    if (measuring := pytest_plugin._slipcover_instance) is not None:
        measuring.d_miss_threshold = read_config(PROJECT_FILE)["threshold"]


def measured_python() -> list[str]:
    """How a command for `-m module` begins; it runs in the repository and has to end by itself.

    Its figures lie beside the worker's, under a name that SlipCover merges too. It must not see the folder: a
    SlipCover that is done removes it. Of files that it never read it says nothing: the workers do.
    """
    if not (folder := os.environ.get(FOLDER)):
        return [sys.executable]
    figures = Path(folder, f"coverage-{os.environ[WORKER]}-{uuid4()}.json")
    options = ("--json", "--out", str(figures), "--source", "", "--omit", "*/tests/*")
    return ["env", "-u", FOLDER, sys.executable, "-m", "tests.measured_module", *options]
