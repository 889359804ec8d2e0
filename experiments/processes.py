"""Starting services as child processes on free ports, and leaving none behind."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import httpx

from experiments.errors import ProcessFailedError

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 10.0
_KILLED_SECONDS = 5.0
_HELD: deque[socket.socket] = deque(maxlen=64)


def free_port(preferred: int) -> int:
    """The preferred loopback port, or another free one when it is taken.

    A server takes seconds to import what it needs before it binds: until then the port stays bound here, so
    that neither the system nor another process that looks this way gives it away.
    """
    for port in (preferred, 0):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for the server's bind, not for this one
        if len(_HELD) == _HELD.maxlen:
            _HELD.popleft().close()
        _HELD.append(held)
        return int(held.getsockname()[1])
    raise OSError("no free loopback port")


@dataclass(frozen=True)
class Service:
    """A running child process: its name, the address it answers on (if any) and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    def require_alive(self) -> None:
        """Raise `ProcessFailedError` when the process has ended."""
        code = self.process.poll()
        if code is not None:
            raise ProcessFailedError(self.name, f"ended with exit code {code}", self.log)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`; connection errors count as not yet.

        Raises:
            ProcessFailedError: the process ended, or was not ready within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.require_alive()
            try:
                if ready():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise ProcessFailedError(self.name, f"was not ready within {seconds:.0f} s", self.log)

    def wait_for_answer(self, path: str, seconds: float = 90.0) -> None:
        """Wait until a GET of `path` answers 200."""
        with httpx.Client(base_url=self.url, timeout=5.0) as client:  # one for all: it takes long to make
            self.wait_until(lambda: client.get(path).status_code == 200, seconds)


class Supervisor:
    """Owns child processes: each in a process group of its own, all stopped on exit, newest first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._services: list[Service] = []

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        url: str = "",
        folder: Path | None = None,
    ) -> Service:
        """Start `python -m …` (or any command) in `folder`, with its output in `<logs>/<name>.log`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(command),
                env={**_inherited(), **env},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        service = Service(name, process, log, url)
        self._services.append(service)
        return service

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a command to its end.

        Raises:
            ProcessFailedError: it ended with another exit code than 0.
        """
        self.join(self.start(name, command, env))

    def join(self, service: Service) -> None:
        """Wait for a command that was started to end well."""
        code = service.process.wait()
        self._services.remove(service)
        if code != 0:
            raise ProcessFailedError(service.name, f"ended with exit code {code}", service.log)

    def stop(self) -> None:
        """End every process: SIGTERM, then SIGKILL to what is left of its group."""
        for service in reversed(self._services):
            _signal_group(service.process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for service in reversed(self._services):
            _wait(service.process, deadline)
            _signal_group(service.process, signal.SIGKILL)
            service.process.wait()
            _wait_for_group(service.process)
        self._services.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop_on_signals() -> Event:
    """Let SIGTERM unwind like Ctrl-C, so that context managers stop what they started.

    The event is set by either: a library that is interrupted may raise an error of its own instead.
    """
    interrupted = Event()

    def interrupt(_signal: int, _frame: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    return interrupted


def _inherited() -> dict[str, str]:
    """This process's environment, without what Feast's import puts there: metrics shared in files."""
    return {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}


def _end_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _wait_for_group(process: subprocess.Popen[bytes]) -> None:
    """Wait until a killed group has ended: its children's ends come after their parent's."""
    deadline = time.monotonic() + _KILLED_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=max(deadline - time.monotonic(), 0.1))
