"""Group commit: everyone who waits for the disk while it is busy shares the next sync.

As databases do (DeWitt et al., "Implementation techniques for main memory database systems", SIGMOD 1984).
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread


class GroupCommit:
    """A thread that calls `sync` for all who asked since it did last; what it raises concerns all of them."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._waiting: SimpleQueue[Future[None] | None] = SimpleQueue()
        self._thread = Thread(target=self._commit_until_closed, name="prediction-log-commit", daemon=True)
        self._thread.start()

    def request(self) -> "Future[None]":
        """What ends with the first sync that begins from now on."""
        future: Future[None] = Future()
        self._waiting.put(future)
        return future

    def close(self) -> None:
        """Sync for those who wait, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _commit_until_closed(self) -> None:
        first = self._waiting.get()
        while first is not None:
            group = [first, *self._drain()]
            error = self._failure()
            if error is not None:  # what others waited for meanwhile may be lost with it
                group += self._drain()
            for future in group:
                if future is not None:
                    _settle(future, error)
            first = None if None in group else self._waiting.get()

    def _drain(self) -> "list[Future[None] | None]":
        drained: list[Future[None] | None] = []
        try:
            while True:
                drained.append(self._waiting.get_nowait())
        except Empty:
            return drained

    def _failure(self) -> Exception | None:
        try:
            self._sync()
        except Exception as error:  # whatever it is, those who wait are told
            return error
        return None


def _settle(future: "Future[None]", error: Exception | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
