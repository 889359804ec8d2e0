"""The pipes between a worker and its supervisor: one says that it listens, or ends with the other."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerPipes:
    """A worker's place among the workers (from 0), and its ends of two pipes.

    `lifeline` is readable once the supervisor has ended, however it did; `reports` takes one byte.
    """

    place: int
    lifeline: int
    reports: int

    def report_listening(self) -> None:
        """Say that this worker now listens."""
        os.write(self.reports, bytes([self.place]))


class SupervisorPipes:
    """The supervisor's ends. A worker that was forked off lets go of them."""

    def __init__(self) -> None:
        self._lifeline, self._held = os.pipe()
        self.arriving, self._reports = os.pipe()
        os.set_blocking(self.arriving, False)

    def worker_end(self, place: int) -> WorkerPipes:
        """The ends of a worker, to be used in its process."""
        return WorkerPipes(place, self._lifeline, self._reports)

    def close(self) -> None:
        """Close the supervisor's ends, in a worker."""
        os.close(self._held)
        os.close(self.arriving)

    def arrived(self) -> bytes:
        """The places of those that have begun to listen since the last time."""
        try:
            return os.read(self.arriving, 1_024)
        except BlockingIOError:
            return b""
