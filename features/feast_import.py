"""Feast's import at a fifth of its cost: no type checks woven into its classes, PyTorch only if it is used.

Feast decorates its classes with typeguard's `typechecked`, which parses and compiles a whole module anew for
each of their methods, and imports PyTorch for one method that turns answers into tensors. Together they take
four fifths of the seconds that every process waits for which imports Feast (docs/adr/0001-feast-import.md).
It would also have the deprecations of every library shown from then on, to people who can mend none of them.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

Target = TypeVar("Target")


class LightFeastFinder(MetaPathFinder):
    """Finds Feast as ever, and has it imported lightly."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return Feast's own spec with a loader around its loader; nothing for any other module."""
        if fullname != "feast":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LightLoader(spec.loader)
        return spec


class LightLoader(Loader):
    """Loads with a loader, and without what makes it slow."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module; whatever it imports is imported lightly too."""
        with _without_type_checks(), _torch_on_demand(), _without_deprecations():
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of a loader: sources, resources."""
        return getattr(self._loader, name)


class TorchOnDemand(ModuleType):
    """Stands for PyTorch until something is taken from it."""

    def __getattr__(self, name: str) -> Any:
        """Import PyTorch and take it from there."""
        if sys.modules.get("torch") is self:
            del sys.modules["torch"]
        return getattr(import_module("torch"), name)


@contextmanager
def _without_type_checks() -> Iterator[None]:
    import typeguard

    original = typeguard.typechecked
    typeguard.typechecked = _unchecked  # type: ignore[assignment]
    try:
        yield
    finally:
        typeguard.typechecked = original


def _unchecked(target: Target | None = None, **_options: object) -> Target | Callable[[Target], Target]:
    return target if target is not None else lambda decorated: decorated


@contextmanager
def _torch_on_demand() -> Iterator[None]:
    if "torch" in sys.modules or find_spec("torch") is None:
        yield
        return
    standing_in = sys.modules["torch"] = TorchOnDemand("torch")
    try:
        yield
    finally:
        if sys.modules.get("torch") is standing_in:
            del sys.modules["torch"]


@contextmanager
def _without_deprecations() -> Iterator[None]:
    original = warnings.simplefilter

    def leave_alone(action: Any, *rest: Any, **named: Any) -> None:
        if action != "once":  # only Feast's own modules ask for that
            original(action, *rest, **named)

    warnings.simplefilter = leave_alone
    try:
        yield
    finally:
        warnings.simplefilter = original
