"""Runs the process that tries a version out, and ends it when it meets a limit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from signal import Signals
from time import monotonic, sleep
from typing import Final

import psutil

from inference.sandbox.errors import CrashError, LimitError
from inference.sandbox.messages import TrialReport, TrialRequest

COMMAND: Final = (sys.executable, "-m", "inference.sandbox")
# In that time a process fills some tens of megabytes.
LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True)
class Limits:
    """The memory in use at any moment, in bytes, and the time from start to end."""

    memory: int
    seconds: float


def run_trial(request: TrialRequest, limits: Limits) -> TrialReport:
    """Try a version out; what was found.

    Raises:
        LimitError: it met a limit.
        CrashError: the process died.
        OSError: no process can be started just now.
    """
    with _started() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it has died, which its status says
            process.stdin.write(request.model_dump_json().encode() + b"\n")
            process.stdin.flush()  # and stays open: it ends when the service does
        _watch(process, limits)
        said = process.stdout.read()
        if process.returncode:
            raise CrashError(f"trying it out {_end_of(process.returncode)}; roll back, or try it elsewhere")
        return TrialReport.model_validate_json(said)


@contextmanager
def _started() -> Iterator[subprocess.Popen[bytes]]:
    """The process in a session of its own, so that a terminal's signals leave it to the service."""
    process = subprocess.Popen(
        COMMAND,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> None:
    """Wait until it ends."""
    memory, until = psutil.Process(process.pid).memory_info, monotonic() + limits.seconds
    while process.poll() is None:
        with suppress(psutil.Error):  # it ends at this moment
            if memory().rss > limits.memory:
                raise _met(f"{limits.memory} bytes of memory", "ROUNDTRIP_SANDBOX_BYTES")
        if monotonic() > until:
            raise _met(f"{limits.seconds:g} s", "ROUNDTRIP_SANDBOX_SECONDS")
        sleep(LOOK_SECONDS)


def _met(limit: str, setting: str) -> LimitError:
    return LimitError(
        f"opening, scoring and explaining it takes more than {limit}; roll back, or raise {setting}"
    )


def _end_of(status: int) -> str:
    return f"was ended by {Signals(-status).name}" if status < 0 else f"ended with status {status}"
