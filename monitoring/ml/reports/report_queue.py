"""Reports are written in one background thread, so that no decision waits for them."""

import logging
from collections.abc import Callable
from queue import Queue
from threading import Lock, Thread
from time import monotonic, sleep

logger = logging.getLogger(__name__)
Job = Callable[[], object]


class ReportQueue:
    """Runs jobs one after the other. With `limit` of them waiting, `submit` waits as well."""

    def __init__(self, limit: int) -> None:
        self._jobs: Queue[Job | None] = Queue(maxsize=limit)
        self._lock, self._pending = Lock(), 0
        self.failures = 0
        self.last_error: str | None = None
        self._thread = Thread(target=self._work, name="reports", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return self._pending

    def submit(self, job: Job) -> None:
        """Run `job` later; a failing job is logged and counted."""
        self._count(1)
        self._jobs.put(job)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is pending; whether that came true in time."""
        deadline = monotonic() + seconds
        while self._pending and monotonic() < deadline:
            sleep(0.02)
        return self._pending == 0

    def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(job)
            self._count(-1)

    def _run(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # a report must not end the thread that writes the next one
            self.failures += 1
            self.last_error = str(error)
            logger.exception(
                "A window's reports could not be written; `monitoring.ml report` writes them again"
            )

    def _count(self, change: int) -> None:
        with self._lock:
            self._pending += change
