"""Python as tests start it: what such a process runs is measured where what the tests run is."""

import os
import sys
from pathlib import Path
from uuid import uuid4

# Set by SlipCover in its workers, which write their own figures into that folder.
FOLDER, WORKER = "SLIPCOVER_COVERAGE_DIR", "PYTEST_XDIST_WORKER"


def measured_python() -> list[str]:
    """How a command for a script or `-m module` begins; it runs in the repository and has to end by itself.

    Its figures lie beside the worker's, under a name that SlipCover merges too. It must not see the folder: a
    SlipCover that is done removes it.
    """
    if not (folder := os.environ.get(FOLDER)):
        return [sys.executable]
    figures = Path(folder, f"coverage-{os.environ[WORKER]}-{uuid4()}.json")
    return ["env", "-u", FOLDER, sys.executable, "-m", "slipcover", "--json", "--out", str(figures)]
