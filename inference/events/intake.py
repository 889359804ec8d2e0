"""Takes events into the feature repository's stream, and publishes in the background what they change."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from features.errors import (
    EventIdReusedError,
    EventsMalformedError,
    EventsRefusedError,
    FeatureError,
    NoStreamError,
    TooManyEventsError,
)
from features.streaming.loading import load_stream, read_definition
from inference.documents import ErrorItem
from inference.errors import InferenceError
from inference.events.errors import (
    EventIdConflictError,
    EventsUnavailableError,
    InvalidEventsError,
    MalformedEventsError,
    NoEventsError,
    TooManyItemsAtOnceError,
)
from inference.settings import InferenceSettings

if TYPE_CHECKING:
    from features.streaming.stream import EventStream, Receipt

# In quiet times too, windows run empty as the clock goes on.
TICK_SECONDS: Final = 30.0
ANSWERS: Final[dict[type[FeatureError], type[InferenceError]]] = {
    NoStreamError: NoEventsError,
    EventsMalformedError: MalformedEventsError,
    TooManyEventsError: TooManyItemsAtOnceError,
    EventIdReusedError: EventIdConflictError,
    EventsRefusedError: InvalidEventsError,
}

logger = logging.getLogger(__name__)


class EventIntake:
    """Opens the stream when the first event comes, so that only a service that is sent events holds it.

    In replay the stream's clock follows the events; otherwise it follows the time.
    """

    def __init__(self, settings: InferenceSettings) -> None:
        self._settings = settings
        self._opening, self._news = threading.Lock(), threading.Event()
        self._stream: EventStream | None = None
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a list of events.

        Raises:
            NoEventsError: the repository takes none.
        """
        with _answered():
            return read_definition(self._settings.features).schema

    def take(self, body: bytes) -> "Receipt":
        """Take a body's events in: once this returns they survive the death of the service.

        Raises:
            InferenceError: one of `inference.events.errors`; nothing was taken.
        """
        with _answered():
            stream = self._opened()
            events = stream.decode(body, self._settings.max_items)
            receipt = stream.accept(events, datetime.now(UTC))
        self._news.set()
        return receipt

    def close(self) -> None:
        """Publish what is left, and let another process take events in."""
        with self._opening:
            self._closed.set()
        self._news.set()
        for thread in self._threads:
            thread.join()
        if self._stream is not None:
            self._stream.close()

    def _opened(self) -> "EventStream":
        with self._opening:
            if self._closed.is_set():
                raise EventsUnavailableError("the service is stopping; send the events again")
            if self._stream is None:
                self._stream = load_stream(self._settings.features)
                for work in (self._publish, self._flush):
                    self._threads.append(threading.Thread(target=work, args=(self._stream,), daemon=True))
                    self._threads[-1].start()
            return self._stream

    def _publish(self, stream: "EventStream") -> None:
        while not self._closed.is_set():
            self._news.wait(TICK_SECONDS)
            self._news.clear()
            with _tried_again():
                stream.publish(None if self._settings.replay else datetime.now(UTC))

    def _flush(self, stream: "EventStream") -> None:
        while not self._closed.wait(self._settings.features.event_flush_seconds):
            with _tried_again():
                stream.flush()


@contextmanager
def _tried_again() -> Iterator[None]:
    """Go on whatever a store raises: what was not pushed is pushed the next time."""
    try:
        yield
    except Exception:
        logger.exception("rows made of events could not be pushed; they are tried again")


@contextmanager
def _answered() -> Iterator[None]:
    """Answer the features room's errors in this room's terms."""
    try:
        yield
    except FeatureError as error:
        items = [
            ErrorItem(index=found.index, field=found.field, code=found.code, message=found.message)
            for found in getattr(error, "refusals", ())
        ]
        answer = ANSWERS.get(type(error))
        if answer is not None:
            raise answer(str(error), items) from error
        logger.warning("Events cannot be taken in: %s", error)
        raise EventsUnavailableError(
            "events cannot be made durable here just now; the service's log says why", detail=str(error)
        ) from error
