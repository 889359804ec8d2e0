"""A stream of events: checked, journaled, taken in, and turned into pushed rows, whatever they are about."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

import pandas as pd

from features.errors import EventIdReusedError, EventJournalError, Refusal
from features.settings import FeatureSettings
from features.streaming.definition import StreamDefinition
from features.streaming.event import Event, decode_events, refused
from features.streaming.journal import FORGOTTEN, Entry, EventJournal
from features.streaming.pushing import EVENT_TIMESTAMP, RowPusher
from features.timestamps import from_microseconds, to_microseconds

# Clocks of senders may run ahead of ours by this much; what claims to be sent later is a mistake.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
FLUSHED: Final = "flushed"
PUSH_FROM: Final = "push from"
# Rows that may wait in memory for the offline store.
MOST_WAITING: Final = 250_000
FORGETTING_EVERY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Receipt:
    """What was taken in: events that are new, and repetitions of known ones."""

    accepted: int
    duplicates: int


class EventStream:
    """Takes events in from any thread. What `accept` has returned for survives the death of the process.

    The processor's rows are pushed online by `publish`, to the offline store by `flush` and `close`. Its
    clock is the latest `sent_at`, or what `publish` is told: in quiet times windows run empty only if told.
    """

    def __init__(self, settings: FeatureSettings, definition: StreamDefinition) -> None:
        self._events, self._processor, self._kept = definition.events, definition.processor(), definition.kept
        self._pusher = RowPusher(settings)
        self._journal = EventJournal(settings.events_journal)
        self._lock, self._pushing, self._flushing = (threading.Lock() for _ in range(3))
        self._push_from = from_microseconds(self._journal.read_mark(PUSH_FROM))
        self._latest: datetime | None = None
        self._clock: datetime | None = None
        self._forgotten = datetime.min.replace(tzinfo=UTC)
        self._place, self._unpublished = 0, False
        self._recover()

    @property
    def clock(self) -> datetime | None:
        """The moment up to which rows were made."""
        return self._clock

    def decode(self, body: bytes, limit: int) -> list[Event]:
        """Return a body's events; raises what `decode_events` does."""
        return decode_events(body, self._events, limit)

    def accept(self, events: Sequence[Event], received_at: datetime) -> Receipt:
        """Take all events in, or none: once this returns they are on the disk.

        Raises:
            EventIdReusedError: an id was taken before for another content.
            EventsRefusedError: an event cannot be true, or was sent after `received_at`.
            EventJournalError: they cannot be written.
        """
        _refuse_later(events, received_at)
        contents = {event.event_id: event.model_dump_json() for event in events}
        with self._lock:
            known = self._journal.read_known(list(contents))
            _refuse_reused(events, known)
            fresh = list({event.event_id: event for event in events if event.event_id not in known}.values())
            if refusals := self._processor.check(fresh):
                raise refused(_in_request(refusals, fresh, events))
            if fresh:
                self._journal.append([(event.event_id, contents[event.event_id]) for event in fresh])
                self._take_in(fresh)
        return Receipt(len(fresh), len(events) - len(fresh))

    def push_from(self, moment: datetime) -> None:
        """Have built tables go on with events from a moment on; repeating it does nothing.

        Only rows at or after it are pushed: events of before fill the windows, but their first rows know too
        little. The tables' own rows at or after it are taken out: a build knows nothing of what came later.

        Raises:
            EventJournalError: events were taken in already, and their rows were pushed.
            RepositoryError: a table is not one local file.
        """
        with self._lock:
            if moment == self._push_from:
                return
            if next(self._journal.read(), None) is not None:
                raise EventJournalError(
                    "events were taken in already; delete the journal, build the tables again, and say where "
                    "to go on from before the first event"
                )
            self._pusher.cut(moment)
            self._journal.mark(PUSH_FROM, to_microseconds(moment))
            self._push_from = moment

    def publish(self, to: datetime | None = None) -> int:
        """Advance the clock, push what is new or changed to the online store; return how many rows."""
        with self._pushing:
            with self._lock:
                rows = self._advance(to)
            self._pusher.push_online()
        if self._pusher.waiting > MOST_WAITING:
            self.flush()
        return sum(map(len, rows.values()))

    def flush(self) -> None:
        """Push what was published to the offline store too, and remember that it has it.

        It takes as long as writing the tables again; events are taken in and published meanwhile.
        """
        with self._flushing:
            with self._pushing:
                self._pusher.push_online()
                place, rows = self._place, self._pusher.take_waiting()
            try:
                self._pusher.push_offline(rows)
            finally:
                with self._pushing:
                    self._pusher.give_back(rows)
            with self._lock:
                self._journal.mark(FLUSHED, place)
                self._forget_what_is_over()

    @property
    def waiting(self) -> int:
        """How many rows the offline store does not have yet."""
        return self._pusher.waiting

    def close(self) -> None:
        """Publish, flush, and let another process take the journal, also where a store does not answer."""
        try:
            self.publish()
            self.flush()
        finally:
            self._journal.close()

    def _add(self, rows: Mapping[str, pd.DataFrame]) -> None:
        self._pusher.add(
            {view: frame[frame[EVENT_TIMESTAMP] >= self._push_from] for view, frame in rows.items()}
        )

    def _forget_what_is_over(self) -> None:
        """Have the journal forget it once a day, so that going through it again stays short."""
        if self._clock is None or self._clock < self._forgotten + FORGETTING_EVERY:
            return
        over = list[int]()
        for entry in self._journal.read():
            if entry.event_id is not None:
                (event,) = self._read_events([entry])
                over += [] if self._processor.needs(event) else [entry.place]
        self._journal.forget(over, before=self._clock - self._kept)
        self._forgotten = self._clock

    def _take_in(self, events: Sequence[Event]) -> None:
        self._processor.apply(events)
        sent = [event.sent_at for event in events]
        self._latest = max([*sent, *([self._latest] if self._latest else [])])
        self._unpublished = True

    def _advance(self, to: datetime | None) -> dict[str, pd.DataFrame]:
        moments = [moment for moment in (to or self._latest, self._clock) if moment]
        if not moments or (max(moments) == self._clock and not self._unpublished):
            return {}
        self._clock, self._unpublished = max(moments), False
        rows = self._processor.advance(self._clock)
        self._add(rows)
        if rows:  # else going through the journal again need not stop here
            self._place = self._journal.append_advance(self._clock)
        return rows

    def _recover(self) -> None:
        """Go through the journal again; rows that the offline store does not have yet are pushed anew."""
        flushed = self._journal.read_mark(FLUSHED)
        for is_event, entries in groupby(self._journal.read(), key=lambda entry: entry.event_id is not None):
            if is_event:
                self._take_in(self._read_events(entries))
                continue
            for entry in entries:
                self._clock, self._place, self._unpublished = entry.moment, entry.place, False
                rows = self._processor.advance(self._clock)
                if entry.place > flushed:
                    self._add(rows)

    def _read_events(self, entries: Iterable[Entry]) -> list[Event]:
        read: list[Event] = self._events.validate_json(f"[{','.join(entry.content for entry in entries)}]")
        return read


def _refuse_later(events: Sequence[Event], received_at: datetime) -> None:
    until = received_at + CLOCK_TOLERANCE
    message = f"sent_at lies after {until.isoformat()}, now and a tolerance; set the sender's clock"
    late = [index for index, event in enumerate(events) if event.sent_at > until]
    if late:
        raise refused([Refusal(index, "sent_at", "in_the_future", message) for index in late])


def _refuse_reused(events: Sequence[Event], known: Mapping[str, str]) -> None:
    said = {event_id: content for event_id, content in known.items() if content != FORGOTTEN}
    for index, event in enumerate(events):
        if said.setdefault(event.event_id, event.model_dump_json()) != event.model_dump_json():
            message = f"event id {event.event_id!r} was taken for another event; give every event its own id"
            raise EventIdReusedError(message, [Refusal(index, "event_id", "event_id_reused", message)])


def _in_request(
    refusals: Sequence[Refusal], fresh: Sequence[Event], events: Sequence[Event]
) -> list[Refusal]:
    """Return the refusals with the places that their events have in the request."""
    places = {event.event_id: index for index, event in reversed(list(enumerate(events)))}
    return [
        Refusal(places[fresh[found.index].event_id], found.field, found.code, found.message)
        for found in refusals
    ]
