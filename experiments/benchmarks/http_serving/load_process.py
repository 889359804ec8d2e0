"""Carries a load's plan out in a process of its own, so that it takes no time from what it measures."""

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import msgspec

from features.settings import REPOSITORY

Plan = TypeVar("Plan", bound=msgspec.Struct)
Figures = TypeVar("Figures", bound=msgspec.Struct)


class LoadFailedError(RuntimeError):
    """The load could not be sent; the message says where to and why."""


def run_apart(
    module: ModuleType, plan: msgspec.Struct, kind: type[Figures], folder: Path, limit: float
) -> Figures:
    """Run `python -m module` on the plan, which it finds in `folder`; the figures that it prints.

    Raises:
        LoadFailedError: it ended otherwise than well.
    """
    path = folder / "plan.msgpack"
    path.write_bytes(msgspec.msgpack.encode(plan))
    command = [sys.executable, "-m", module.__name__, str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=limit)
    if done.returncode != 0:
        raise LoadFailedError(done.stderr.decode()[-2_000:])
    return msgspec.convert(msgspec.json.decode(done.stdout), kind, strict=False)


def carry_out(kind: type[Plan], run: Callable[[Plan], Figures]) -> None:
    """In that process: read the plan, run it, print its figures."""
    plan = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=kind)
    gc.disable()  # what is sent makes no cycles, and a collection would count as the server's slowness
    print(msgspec.json.encode(run(plan)).decode(), flush=True)
