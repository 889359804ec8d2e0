"""A pytest run of its own over one small file, under the rules that every run has here."""

import os
import subprocess
import sys
from pathlib import Path

from tests.isolation import RUN
from tests.repository.sources import ROOT


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in `source`; `environment` is what the user has set besides."""
    test_file = folder / "test_sample.py"
    test_file.write_text(source)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "xdist", "-p", "pytest_timeout"]
    inherited = {name: value for name, value in os.environ.items() if name != RUN}
    chosen = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(test_file)],
        cwd=folder,
        env=inherited | chosen,
        capture_output=True,
        text=True,
        check=False,
    )
