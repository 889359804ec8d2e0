"""Keeps several workers running: starts them, restarts those that die, passes the end on to all."""

import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Final

from inference.workers.errors import WorkersError
from inference.workers.pipes import SupervisorPipes, WorkerPipes

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
LOOK_SECONDS: Final = 0.05
# A worker that dies is started again at once, one that dies again soon after a pause that doubles.
STEADY_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 2.0
# Ends without having listened, one after the other, after which the service gives up once it has served.
GIVE_UP_AFTER: Final = 5

logger = logging.getLogger(__name__)


@dataclass
class Worker:
    """A worker's place, the process that has it just now, and when it is started again."""

    place: int
    pid: int | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause: float = 0.0


class Supervisor:
    """Runs `work` in several processes forked off this one, which should have no threads and no sessions."""

    def __init__(
        self,
        workers: int,
        work: Callable[[WorkerPipes], None],
        patience: float,
        on_end: Callable[[int], None] = lambda _place: None,
    ) -> None:
        """`work` ends on SIGTERM, within `patience` seconds; `on_end` is told each place that was left."""
        self._workers = [Worker(place) for place in range(workers)]
        self._work, self._patience, self._on_end = work, patience, on_end
        self._pipes = SupervisorPipes()
        self._listening: set[int] = set()
        self._announced = self._stopping = False
        self._failures = 0

    def run(self, announce: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `announce` is called once all workers listen.

        Raises:
            WorkersError: they cannot be started, or did not end as they should.
        """
        with self._ended_by_signals():
            try:
                self._serve(announce)
            except BaseException:
                self._stop()
                raise
            badly = self._stop()
        if badly:
            raise WorkersError(f"workers ended badly; status by worker: {badly}")

    def _serve(self, announce: Callable[[], None]) -> None:
        while not self._stopping:
            self._start_due()
            select.select([self._pipes.arriving], [], [], LOOK_SECONDS)
            self._note_listening(announce)
            for worker, status in self._ended():
                self._restart_later(worker, status)

    def _start_due(self) -> None:
        for worker in self._workers:
            if worker.pid is None and monotonic() >= worker.due_at:
                worker.pid, worker.started_at = self._fork(worker.place), monotonic()

    def _fork(self, place: int) -> int:
        sys.stdout.flush()  # what is buffered would be said by the worker too
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # none must reach a worker in the supervisor's name
        pid = os.fork()
        if pid == 0:
            self._be_worker(place)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        return pid

    def _be_worker(self, place: int) -> None:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's: the supervisor passes it on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            self._pipes.close()
            self._work(self._pipes.worker_end(place))
            status = 0
        except BaseException:
            logger.exception("Worker %d failed", place)
        finally:
            logging.shutdown()
            os._exit(status)

    def _note_listening(self, announce: Callable[[], None]) -> None:
        for place in self._pipes.arrived():
            self._listening.add(place)
            self._failures = 0
        if not self._announced and len(self._listening) == len(self._workers):
            self._announced = True
            announce()

    def _ended(self) -> Iterator[tuple[Worker, int]]:
        """The workers that have ended since the last time, with their exit status; a signal's is negative."""
        for worker in self._workers:
            if worker.pid is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.pid = None
                self._on_end(worker.place)
                yield worker, os.waitstatus_to_exitcode(status)

    def _restart_later(self, worker: Worker, status: int) -> None:
        if worker.place not in self._listening:
            self._count_failure(worker, status)
        self._listening.discard(worker.place)
        steady = monotonic() - worker.started_at >= STEADY_SECONDS
        worker.pause = 0.0 if steady else min(max(worker.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        worker.due_at = monotonic() + worker.pause
        logger.warning(
            "Worker %d ended (status %d); starting it again in %g s", worker.place, status, worker.pause
        )

    def _count_failure(self, worker: Worker, status: int) -> None:
        self._failures += 1
        if not self._announced or self._failures >= GIVE_UP_AFTER:
            raise WorkersError(
                f"worker {worker.place} ended (status {status}) before it listened; what it said above "
                "says why, correct that and start again"
            )

    def _stop(self) -> dict[int, int]:
        """End all workers and let each finish what it is asked; the statuses of those that did not."""
        for worker in self._workers:
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGTERM)
        deadline, badly = monotonic() + self._patience, dict[int, int]()
        while any(worker.pid is not None for worker in self._workers) and monotonic() < deadline:
            badly |= {worker.place: status for worker, status in self._ended() if not _is_clean(status)}
            select.select([], [], [], LOOK_SECONDS)
        return badly | self._kill_the_rest()

    def _kill_the_rest(self) -> dict[int, int]:
        late = [worker for worker in self._workers if worker.pid is not None]
        for worker in late:
            os.kill(worker.pid or 0, signal.SIGKILL)
            os.waitpid(worker.pid or 0, 0)
            worker.pid = None
        return {worker.place: -signal.SIGKILL for worker in late}

    @contextmanager
    def _ended_by_signals(self) -> Iterator[None]:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self._stopping = True

        before = {number: signal.signal(number, stop) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _is_clean(status: int) -> bool:
    """Whether a worker that was told to end did; one that had not begun yet ends by the signal itself."""
    return status in (0, -signal.SIGTERM)
