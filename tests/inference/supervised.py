"""Small workers to test the supervisor with, `-m tests.inference.supervised KIND`: each ends its own way."""

import os
import signal
import sys
import time
from pathlib import Path

from inference.workers.errors import WorkersError
from inference.workers.pipes import WorkerPipes
from inference.workers.supervisor import Supervisor

WORKERS = 2
PATIENCE = 1.0


def steady(ties: WorkerPipes) -> None:
    """Listens, and ends on SIGTERM or with the supervisor."""
    os.write(1, f"worker {ties.place} {os.getpid()}\n".encode())  # in one piece: the other writes too
    ties.report_listening()
    os.read(ties.lifeline, 1)


def failing(_ties: WorkerPipes) -> None:
    """Never listens."""
    raise RuntimeError("the configuration is wrong")


def worn_out(ties: WorkerPipes) -> None:
    """The first processes listen for a moment; no later one does."""
    marker = Path(sys.argv[2], str(ties.place))
    if marker.exists():
        failing(ties)
    marker.touch()
    ties.report_listening()
    time.sleep(0.3)


def stubborn(ties: WorkerPipes) -> None:
    """Listens, and does not end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ties.report_listening()
    time.sleep(60)


def main() -> None:
    """Supervise workers of the kind that the command line names."""
    kinds = {work.__name__: work for work in (steady, failing, worn_out, stubborn)}
    try:
        Supervisor(WORKERS, kinds[sys.argv[1]], PATIENCE).run(lambda: print("all listen", flush=True))
    except WorkersError as error:
        print(f"error: {error}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
