"""The lock satisfies pyproject.toml, is whole, and is what is installed."""

import re
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repository.declared import PROJECT, read_extras, unfold_extra
from tests.repository.sources import ROOT

# Chosen by pip on the machine at hand (see the head of the lock), or there before it.
MACHINE_CHOSEN = re.compile(r"^(nvidia|cuda|triton)\b")
BUILT_IN = {"pip", PROJECT}

LINES = [line for line in (ROOT / "requirements-ml.txt").read_text().splitlines() if not line.startswith("#")]
LOCK = {canonicalize_name(r.name): r for r in (Requirement(line.partition("#")[0]) for line in LINES)}
PINS = {name: Version(str(requirement.specifier).removeprefix("==")) for name, requirement in LOCK.items()}
INSTALLED = {canonicalize_name(found.name): found for found in distributions()}


@pytest.mark.parametrize("extra", sorted(read_extras()))
def test_lock_satisfies_every_extra(extra: str) -> None:
    for requirement in unfold_extra(extra) if extra else read_extras()[""]:
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not locked; run `make lock`"
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement} is locked at {pin}"


def test_lock_pins_exactly_and_names_no_place() -> None:
    loose = [line for line in LINES if not re.match(r"^[a-z0-9-]+==[0-9][0-9a-z.]*(\s+#.*)?$", line)]
    assert not loose, "one `name==version` a line: no local version, address or option"


def test_lock_leaves_cuda_to_the_machine() -> None:
    assert not [name for name in LOCK if MACHINE_CHOSEN.match(name)]


def test_lock_is_whole() -> None:
    missing = {
        f"{name} needs {requirement}"
        for name in PINS
        for requirement in map(Requirement, INSTALLED[name].requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not is_locked(requirement)
    }
    assert not missing


def is_locked(requirement: Requirement) -> bool:
    name = canonicalize_name(requirement.name)
    if name in BUILT_IN or MACHINE_CHOSEN.match(name):
        return True
    return name in PINS and requirement.specifier.contains(PINS[name], prereleases=True)


def test_environment_equals_the_lock() -> None:
    installed = {
        name: Version(Version(found.version).public)
        for name, found in INSTALLED.items()
        if name not in BUILT_IN and not MACHINE_CHOSEN.match(name)
    }
    assert installed == PINS, "build the environment from the lock: `rm -rf .venv && make env`"
