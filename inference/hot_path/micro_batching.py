"""Adaptive micro-batching: what arrives while the loop is busy is answered together, without a timer.

The event loop first hears every connection that has something to say, then runs what was called soon. So the
first request of a turn asks for a flush, and those that came with it are there by then: a batch of one when
idle, as many as came meanwhile under load. Adapts as Clipper's batching does (Crankshaw et al., NSDI 2017,
section 4.3), with the load itself in place of a wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What can be batched: it says how many rows it brings."""

    @property
    def size(self) -> int:
        """The number of rows."""


Key = TypeVar("Key")
Asked = TypeVar("Asked", bound=Sized)
Answered = TypeVar("Answered")


@dataclass(slots=True)
class Waiting(Generic[Asked, Answered]):
    """One caller: what was asked, and where the answer goes."""

    asked: Asked
    answer: "asyncio.Future[Answered]"


class MicroBatcher(Generic[Key, Asked, Answered]):
    """Has `answer` called with what belongs to one key. One event loop may use it.

    A batch that fails is answered again one by one, so that an error reaches only whoever caused it. A caller
    that gives up is left out, or its answer dropped; the others do not notice.
    """

    def __init__(
        self,
        answer: Callable[[Key, Sequence[Asked]], Awaitable[Sequence[Answered]] | Sequence[Answered]],
        most_rows: int,
    ) -> None:
        """`answer` gives one answer for each asked, in order, at once or as an awaitable.

        `most_rows` bounds a batch; a single one may bring more.
        """
        self._answer, self._most_rows = answer, most_rows
        self._waiting: dict[Key, list[Waiting[Asked, Answered]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._due = False

    def submit(self, key: Key, asked: Asked) -> "asyncio.Future[Answered]":
        """Put a question into the next batch of its key; awaiting the future gives its own answer."""
        loop = asyncio.get_running_loop()
        waiting: Waiting[Asked, Answered] = Waiting(asked, loop.create_future())
        self._waiting.setdefault(key, []).append(waiting)
        self._flush_soon(loop)
        return waiting.answer

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._due:
            self._due = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Begin one batch of each key; what is beyond its bound waits for the next turn of the loop."""
        self._due = False
        for key, waiting in list(self._waiting.items()):
            count = self._fitting(waiting)
            batch, rest = waiting[:count], waiting[count:]
            if rest:
                self._waiting[key] = rest
                self._flush_soon(asyncio.get_running_loop())
            else:
                del self._waiting[key]
            self._begin(key, [one for one in batch if not one.answer.done()])

    def _fitting(self, waiting: Sequence[Waiting[Asked, Answered]]) -> int:
        rows = 0
        for count, one in enumerate(waiting):
            rows += one.asked.size
            if rows > self._most_rows and count:
                return count
        return len(waiting)

    def _begin(self, key: Key, batch: Sequence[Waiting[Asked, Answered]]) -> None:
        if not batch:
            return
        try:
            answered = self._answer(key, [one.asked for one in batch])
        except Exception as error:  # whatever it is, it belongs to a caller
            self._isolate(key, batch, error)
            return
        if isinstance(answered, Awaitable):
            task = asyncio.ensure_future(self._finish(key, batch, answered))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        else:
            _settle(batch, answered)

    async def _finish(
        self, key: Key, batch: Sequence[Waiting[Asked, Answered]], answering: Awaitable[Sequence[Answered]]
    ) -> None:
        try:
            _settle(batch, await answering)
        except Exception as error:  # as above
            self._isolate(key, batch, error)

    def _isolate(self, key: Key, batch: Sequence[Waiting[Asked, Answered]], error: Exception) -> None:
        if len(batch) > 1:
            for one in batch:
                self._begin(key, [one])
        elif not batch[0].answer.done():
            batch[0].answer.set_exception(error)


def _settle(batch: Sequence[Waiting[Asked, Answered]], answers: Sequence[Answered]) -> None:
    for one, answer in zip(batch, answers, strict=True):
        if not one.answer.done():
            one.answer.set_result(answer)
