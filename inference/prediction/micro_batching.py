"""Adaptive micro-batching: what arrives while the loop is busy is answered together, without a timer.

The event loop first hears every connection that has something to say, then runs what was called soon. So the
first request of a turn asks for a flush, and those that came with it are there by then: a batch of one when
idle, as many as came meanwhile under load. Callers who were answered together ask again one after the other,
so the loop listens once more while they still come: whoever is late by a moment would wait for a whole batch.
Adapts as Clipper's batching does (Crankshaw et al., NSDI 2017, section 4.3), with the load itself in place of
a wait.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Generic, Protocol, TypeVar

logger = logging.getLogger(__name__)

# How often, and for how long, the loop listens again for who comes late: nobody else may hold up the first.
MOST_LOOKS: Final = 3
LONGEST_LOOK: Final = 0.001


class Sized(Protocol):
    """What can be batched: it says how many rows it brings."""

    @property
    def size(self) -> int:
        """The number of rows."""


Key = TypeVar("Key")
Request = TypeVar("Request", bound=Sized)
Response = TypeVar("Response")


Told = TypeVar("Told", contravariant=True)


class Receiver(Protocol[Told]):
    """Whoever waits for one answer, and is told once, in the event loop."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more."""

    def answered(self, answer: Told) -> None:
        """Take the answer."""

    def failed(self, error: Exception) -> None:
        """Take what was raised instead."""


class FutureReceiver(Generic[Response]):
    """Hands the answer to whoever awaits a future."""

    __slots__ = ("_future",)

    def __init__(self, future: "asyncio.Future[Response]") -> None:
        self._future = future

    @property
    def gone(self) -> bool:
        """Whether the future was cancelled."""
        return self._future.done()

    def answered(self, answer: Response) -> None:
        """Set the result."""
        self._future.set_result(answer)

    def failed(self, error: Exception) -> None:
        """Set the exception."""
        self._future.set_exception(error)


@dataclass(slots=True)
class Waiting(Generic[Request, Response]):
    """One caller: the request, and who is told the answer."""

    request: Request
    receiver: Receiver[Response]


class MicroBatcher(Generic[Key, Request, Response]):
    """Has `answer` called with what belongs to one key. One event loop may use it.

    A batch that fails is answered again one by one, so that an error reaches only whoever caused it. A caller
    that gives up is left out, or its answer dropped; the others do not notice.
    """

    def __init__(
        self,
        answer: Callable[[Key, Sequence[Request]], Awaitable[Sequence[Response]] | Sequence[Response]],
        max_batch_size: int,
    ) -> None:
        """`answer` gives one answer for each request, in order, at once or as an awaitable.

        `max_batch_size` bounds a batch; a single one may bring more.
        """
        self._answer, self._max_batch_size = answer, max_batch_size
        self._waiting: dict[Key, list[Waiting[Request, Response]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._due = False
        self._entered = 0

    def submit(self, key: Key, request: Request) -> "asyncio.Future[Response]":
        """Put a question into the next batch of its key; awaiting the future gives its own answer."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.enter(key, request, FutureReceiver(future))
        return future

    def enter(self, key: Key, request: Request, receiver: Receiver[Response]) -> None:
        """Put a question into the next batch of its key; the receiver is told its own answer."""
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = []
        waiting.append(Waiting(request, receiver))
        self._entered += 1
        if not self._due:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._due = True
        self._look_soon(MOST_LOOKS, perf_counter() + LONGEST_LOOK)

    def _look_soon(self, looks: int, until: float) -> None:
        asyncio.get_running_loop().call_soon(self._flush_unless_more_come, self._entered, looks, until)

    def _flush_unless_more_come(self, known: int, looks: int, until: float) -> None:
        """Flush when nobody has entered since `known` had, else listen once more while that takes no time."""
        if looks and self._entered != known and perf_counter() < until:
            self._look_soon(looks - 1, until)
        else:
            self._flush()

    def _flush(self) -> None:
        """Begin one batch of each key; what is beyond its bound waits for the next turn of the loop."""
        self._due = False
        for key, waiting in list(self._waiting.items()):
            count = self._fitting(waiting)
            batch, rest = waiting[:count], waiting[count:]
            if rest:
                self._waiting[key] = rest
                self._flush_soon()
            else:
                del self._waiting[key]
            self._begin(key, [one for one in batch if not one.receiver.gone])

    def _fitting(self, waiting: Sequence[Waiting[Request, Response]]) -> int:
        rows = 0
        for count, one in enumerate(waiting):
            rows += one.request.size
            if rows > self._max_batch_size and count:
                return count
        return len(waiting)

    def _begin(self, key: Key, batch: Sequence[Waiting[Request, Response]]) -> None:
        if not batch:
            return
        try:
            answered = self._answer(key, [one.request for one in batch])
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
        self, key: Key, batch: Sequence[Waiting[Request, Response]], answering: Awaitable[Sequence[Response]]
    ) -> None:
        try:
            _settle(batch, await answering)
        except Exception as error:  # as above
            self._isolate(key, batch, error)

    def _isolate(self, key: Key, batch: Sequence[Waiting[Request, Response]], error: Exception) -> None:
        if len(batch) > 1:
            for one in batch:
                self._begin(key, [one])
        elif not batch[0].receiver.gone:
            batch[0].receiver.failed(error)


def _settle(batch: Sequence[Waiting[Request, Response]], answers: Sequence[Response]) -> None:
    for one, answer in zip(batch, answers, strict=True):
        if one.receiver.gone:
            continue
        try:
            one.receiver.answered(answer)
        except Exception:
            logger.exception("An answer could not be told")  # the others' can
