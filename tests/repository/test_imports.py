"""What a room imports, its extra declares; features and serving import nothing heavy."""

import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments.benchmarks.http_serving.environments import PEERS
from tests.repository.declared import list_declared
from tests.repository.sources import ROOMS, ROOT, list_imports, list_python_files

OWN = {*ROOMS, "tests"}
EXTRAS_OF = dict.fromkeys(ROOMS, ("training",)) | {
    "features": ("features", "redis", "postgres", "spark"),
    "contracts": ("inference", "monitoring"),
    "monitoring": ("monitoring",),
    "experiments": ("experiments",),
    "inference": ("inference", "tracing", "ray", "gpu", "client"),
}
DISTRIBUTIONS = packages_distributions()
HEAVY = (
    "prefect",
    "evidently",
    "sklearn",
    "xgboost",
    "torch",
    "matplotlib",
    "skl2onnx",
    "onnxmltools",
    "ibis",
)
LIGHT = (
    *(
        "features.settings",
        "features.schema.feature_column",
        "features.contract",
        "features.repository.feature_store",
        "features.online.reader",
    ),
    *("contracts.problem", "contracts.settings", "contracts.registry", "contracts.bundle.reader"),
    *("inference.app", "inference.server", "inference.batch"),
)
HEAVY_PACKAGES = {
    "prefect",
    "evidently",
    "scikit-learn",
    "xgboost",
    "torch",
    "matplotlib",
    "mlflow",
    "onnxscript",
}


def find_undeclared(files: list[Path], *extras: str) -> set[str]:
    """`file imports name` for every third-party import that none of the extras requires directly."""
    declared = set[str]().union(*map(list_declared, extras))
    return {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in list_imports(path) - OWN - set(sys.stdlib_module_names)
        if not declared & {canonicalize_name(found) for found in DISTRIBUTIONS.get(name, [name])}
    }


@pytest.mark.parametrize("room", ROOMS)
def test_room_declares_what_it_imports(room: str) -> None:
    files = [path for path in list_python_files(ROOMS[room]) if not path.is_relative_to(PEERS)]
    assert not find_undeclared(files, *EXTRAS_OF[room])


@pytest.mark.parametrize("peer", sorted(folder.name for folder in PEERS.iterdir() if folder.is_dir()))
def test_a_measured_server_locks_what_it_imports(peer: str) -> None:
    lines = (PEERS / peer / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
    locked = {canonicalize_name(line.partition("==")[0]) for line in lines}
    imported = set[str]().union(*map(list_imports, list_python_files(PEERS / peer)))
    assert imported - set(sys.stdlib_module_names) <= locked


def test_tests_declare_what_they_import() -> None:
    assert not find_undeclared(list_python_files(ROOT / "tests"), "dev", "spark")


def test_features_and_serving_work_where_nothing_heavy_is_installed() -> None:
    # Feast takes torch when it finds it, so what matters is that nothing is missed without it.
    program = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))
from importlib import import_module
for name in {LIGHT!r}:
    import_module(name)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_features_comes_before_feast(room: str) -> None:
    """It makes Feast's import a light one: see `features/feast_import.py`."""
    if any("feast" in list_imports(path) for path in list_python_files(ROOMS[room])):
        assert "features" in list_imports(ROOMS[room] / "__init__.py")


def collect_closure(names: set[str]) -> set[str]:
    """The named distributions and everything that they require, as installed here."""
    closure: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        closure.add(name)
        required = map(Requirement, distribution(name).requires or [])
        here = {
            canonicalize_name(r.name)
            for r in required
            if r.marker is None or r.marker.evaluate({"extra": ""})
        }
        waiting |= {found for found in here if not re.match("nvidia|cuda|triton", found)} - closure
    return closure


@pytest.mark.parametrize("extra", ["features", "inference"])
def test_serving_image_needs_no_training_library(extra: str) -> None:
    assert not collect_closure(list_declared(extra)) & HEAVY_PACKAGES
