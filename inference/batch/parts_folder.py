"""Where scored parts are kept until the output is whole: one Arrow file each, put in place by renaming."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from features.atomic_file import write_atomically
from inference.batch.errors import BatchBusyError

VERSION_FILE = "version.json"


def folder_for(target: Path) -> Path:
    """The folder beside an output."""
    return target.with_name(f"{target.name}.parts")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out; the lock is gone with the process, however it ends.

    Raises:
        BatchBusyError: another process is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise BatchBusyError(f"another run is writing {folder}; wait for it, or end it") from error


def pinned_version(folder: Path, source: Path) -> str | None:
    """The model version that an interrupted run was scoring the same input with."""
    try:
        pinned = json.loads((folder / VERSION_FILE).read_text())
        return str(pinned["version"]) if pinned["source"] == str(source) else None
    except (OSError, ValueError, KeyError):
        return None


def pin_version(folder: Path, source: Path, version: str) -> None:
    """Let a run that goes on later use the same version, whatever the alias names by then."""
    write_atomically(folder / VERSION_FILE, json.dumps({"source": str(source), "version": version}))


def is_whole(path: Path) -> bool:
    """Whether a part is there and ends as it should (it may not after a power cut)."""
    try:
        with pa.OSFile(str(path)) as file:
            pa.ipc.open_file(file)
    except (pa.ArrowException, OSError):
        return False
    return True


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    """Write a part; it gets its name once it is whole."""
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        with pa.OSFile(str(draft), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            yield writer
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def reading(path: Path) -> Iterator[pa.RecordBatch]:
    """Stream a part, without a copy of it."""
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def clear(folder: Path) -> None:
    """Remove the folder: the output is whole."""
    shutil.rmtree(folder, ignore_errors=True)
