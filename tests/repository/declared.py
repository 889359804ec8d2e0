"""What pyproject.toml declares: the requirements of each room's extra, its own extras unfolded."""

import tomllib
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository.sources import ROOT

PROJECT = "roundtrip"


@cache
def read_extras() -> dict[str, list[Requirement]]:
    """Each extra's own lines, as requirements; the empty name holds what is always required."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in declared.items()}


def unfold_extra(extra: str) -> list[Requirement]:
    """Everything that an extra requires, `roundtrip[other]` replaced by what the other requires."""
    unfolded = list(read_extras()[""])
    for requirement in read_extras()[extra]:
        own = canonicalize_name(requirement.name) == PROJECT
        unfolded += [r for other in requirement.extras for r in unfold_extra(other)] if own else [requirement]
    return unfolded


def list_declared(extra: str) -> set[str]:
    """Canonical names of every distribution that an extra requires directly."""
    return {canonicalize_name(requirement.name) for requirement in unfold_extra(extra)}
