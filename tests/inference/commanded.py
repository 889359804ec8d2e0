"""The serve command as users start it: in a session of its own, on one port, to be killed and restarted."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from inference.settings import InferenceSettings
from tests.inference.running import PATIENCE, ROOT, environment_of, free_port, is_ready, wait_until
from tests.measured import measured_python


class ServeCommand:
    """`python -m inference serve` with so many workers."""

    def __init__(self, settings: InferenceSettings, workers: int = 1) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            *(*measured_python(), "-m", "inference", "serve"),
            *("--port", str(self.port), "--workers", str(workers)),
        ]
        self._environment, self._workers = environment_of(settings), workers
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it; the seconds until all is ready. It ends if a worker dies before all have listened."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        wait_until(lambda: self._listening() == self._workers, "all workers")
        wait_until(lambda: is_ready(self.url), "a model")
        return time.monotonic() - began

    def workers(self) -> list[int]:
        """The processes forked off it."""
        assert self.process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(line) for line in found.stdout.split()]

    def _listening(self) -> int:
        """How many processes listen on its port."""
        return sum(
            socket.status == psutil.CONN_LISTEN and socket.laddr.port == self.port
            for socket in psutil.net_connections("tcp")
        )

    def kill(self) -> None:
        """Kill -9: the command and every process of it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def kill_a_worker(self, chosen: random.Random) -> int:
        """Kill -9 one worker, and wait until another has its place; the one that was killed."""
        before = self.workers()
        victim = chosen.choice(before)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in self.workers() and len(self.workers()) == len(before), "a worker")
        return victim

    def end(self) -> tuple[int, str]:
        """SIGTERM; the status it ended with and what it said."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


@contextmanager
def commanded(settings: InferenceSettings, workers: int = 1) -> Iterator[ServeCommand]:
    """A started and ready command; gone afterwards."""
    command = ServeCommand(settings, workers)
    try:
        command.start()
        yield command
    finally:
        if command.process is not None and command.process.poll() is None:
            command.kill()
