"""The lock satisfies pyproject.toml, is whole, and is what is installed."""

import re
from importlib.metadata import Distribution, distributions
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repository.declared import PROJECT, read_extras, unfold_extra
from tests.repository.sources import ROOT

# Chosen by pip on the machine at hand (see the head of the lock), or there before it.
MACHINE_CHOSEN = re.compile(r"(nvidia-(?!ml-py$)|cuda-|triton$)")
BUILT_IN = {"pip", PROJECT}

# What one extra adds to the lock; it may be installed or not.
ADDED_BY = {"spark": "requirements-spark.txt"}


def read_lines(lock: str) -> list[str]:
    return [line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")]


def read_pins(lines: list[str]) -> dict[str, Version]:
    pinned = [Requirement(line.partition("#")[0]) for line in lines]
    return {canonicalize_name(r.name): Version(str(r.specifier).removeprefix("==")) for r in pinned}


LINES = read_lines("requirements-ml.txt")
PINS = read_pins(LINES)
ADDED_LINES = {extra: read_lines(lock) for extra, lock in ADDED_BY.items()}
ADDED_PINS = {name: pin for lines in ADDED_LINES.values() for name, pin in read_pins(lines).items()}
INSTALLED: dict[str, Distribution] = {canonicalize_name(found.name): found for found in distributions()}


@pytest.mark.parametrize("extra", sorted(read_extras()))
def test_lock_satisfies_every_extra(extra: str) -> None:
    pins = PINS | read_pins(ADDED_LINES.get(extra, []))
    for requirement in unfold_extra(extra) if extra else read_extras()[""]:
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not locked; run `make lock`"
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement} is locked at {pin}"


def test_lock_pins_exactly_and_names_no_place() -> None:
    lines = [*LINES, *chain.from_iterable(ADDED_LINES.values())]
    loose = [line for line in lines if not re.match(r"^[a-z0-9-]+==[0-9][0-9a-z.]*(\s+#.*)?$", line)]
    assert not loose, "one `name==version` a line: no local version, address or option"


def test_lock_leaves_cuda_to_the_machine() -> None:
    assert not [name for name in [*PINS, *ADDED_PINS] if MACHINE_CHOSEN.match(name)]


def test_an_added_lock_repeats_and_contradicts_nothing() -> None:
    assert not ADDED_PINS.keys() & PINS.keys()


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
    added = {name: pin for name, pin in ADDED_PINS.items() if name in installed}
    assert installed == PINS | added, "build the environment from the lock: `rm -rf .venv && make env`"
