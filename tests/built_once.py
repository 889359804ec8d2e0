"""Worlds that one worker builds for all: whoever comes first builds, the others wait and find it there."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Return the folder of that name, built once in a run by whichever worker asks first; only to be read.

    Where a build failed, the next to ask builds again and meets the error itself, not half a world.
    """
    folder = folder_of_the_run(factory) / name
    built = folder.with_suffix(".built")
    with FileLock(folder.with_suffix(".lock")):
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            built.touch()
    return folder


def folder_of_the_run(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of a run share."""
    own = factory.getbasetemp()
    return own.parent if own.name.startswith("popen-") else own
