"""A few threads for what would hold up the event loop, with only so many calls waiting for one."""

from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import ParamSpec, TypeVar

from inference.prediction.retry_after import overloaded

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


class BoundedThreads:
    """Runs calls in threads. A call that runs or waits counts until it ends, even if its caller is gone."""

    def __init__(self, name: str, threads: int, most_waiting: int) -> None:
        """Beyond `threads` calls that run and `most_waiting` that wait, they are refused."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = Semaphore(threads + most_waiting)

    async def run(
        self, function: Callable[Given, Returned], *given: Given.args, **named: Given.kwargs
    ) -> Returned:
        """Call it in a thread.

        Raises:
            OverloadedError: too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise overloaded()
        running = self._pool.submit(function, *given, **named)
        running.add_done_callback(lambda _: self._places.release())
        return await wrap_future(running)

    def close(self) -> None:
        """Run what waits, then let go of the threads."""
        self._pool.shutdown()
