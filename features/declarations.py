"""Reads what the Python files of a feature repository declare."""

import importlib.util
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from features.errors import RepositoryError

Declared = TypeVar("Declared")


def import_file(path: Path) -> ModuleType:
    """Import the file afresh under a name of its own, so that two repositories never share a module.

    Raises:
        RepositoryError: it is not there.
    """
    name = f"feature_repository_{path.stem}_{sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise RepositoryError(f"{path} is missing; set ROUNDTRIP_FEATURE_REPO to a folder that has one")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_declared(path: Path, name: str, kind: type[Declared]) -> Declared:
    """Return what the file defines as `name`.

    Raises:
        RepositoryError: the file is not there, or defines nothing of that kind under the name.
    """
    found = getattr(import_file(path), name, None)
    if not isinstance(found, kind):
        raise RepositoryError(f"{path} must define `{name}`, a {kind.__name__}")
    return found
