"""The legs as events tell of them: the newest word on each counts, and what contradicts it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from features.errors import Refusal
from features.flight_delay.events.leg_events import Arrived, Departed, LegEvent, Published
from features.timestamps import EPOCH

# A leg that is said to have left much before or after its time is another leg, or another day's.
EARLIEST_DEPARTURE, LATEST_DEPARTURE = -1440, 4320
LONGEST_FLIGHT: Final = 2880
MINUTE: Final = timedelta(minutes=1)

Version = tuple[datetime, str]


class Schedule(NamedTuple):
    """What is published of a leg; instants in epoch minutes."""

    origin: str
    carrier: str
    dest: str
    tailnum: str | None
    scheduled: int
    due: int


@dataclass(frozen=True, slots=True)
class Leg:
    """What is known of a leg, each part with the time and the id of the event that said it last."""

    leg: str
    schedule: Schedule | None = None
    departed: int | None = None
    arrived: int | None = None
    versions: tuple[Version | None, ...] = (None, None, None)

    @property
    def moment(self) -> int:
        """An epoch minute that the leg lies near."""
        known = (self.schedule.scheduled if self.schedule else None, self.departed, self.arrived)
        return next(minute for minute in known if minute is not None)


class LegBook:
    """Every leg that is still of interest, by its name."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}

    def read(self, leg: str) -> Leg | None:
        """Return the leg, if any event told of it."""
        return self._legs.get(leg)

    def admit(
        self, events: Sequence[LegEvent], since: int
    ) -> tuple[dict[str, tuple[Leg | None, Leg]], list[Refusal]]:
        """Return the legs that the events change (before, after), and the events that cannot be true.

        Nothing is kept until `keep` is called. What lies before the minute `since` comes too late.
        """
        after: dict[str, Leg] = {}
        refusals: list[Refusal] = []
        for index, event in enumerate(events):
            known = after.get(event.leg) or self._legs.get(event.leg) or Leg(event.leg)
            told = _tell(known, event)
            refusal = _contradiction(index, event, told) or _too_late(index, told, since)
            if refusal:
                refusals.append(refusal)
            else:
                after[event.leg] = told
        return {leg: (self._legs.get(leg), told) for leg, told in after.items()}, refusals

    def keep(self, changes: Mapping[str, tuple[Leg | None, Leg]]) -> None:
        """Keep what `admit` returned."""
        self._legs.update((leg, after) for leg, (_, after) in changes.items())

    def forget(self, before: int) -> list[str]:
        """Forget the legs that lie before a minute; return their names."""
        gone = [name for name, leg in self._legs.items() if leg.moment < before]
        for name in gone:
            del self._legs[name]
        return gone


def to_minute(moment: datetime) -> int:
    """Return the first whole epoch minute at which something that happened at `moment` is known."""
    return -((EPOCH - moment) // MINUTE)


def _tell(leg: Leg, event: LegEvent) -> Leg:
    """Return the leg with what the event says, unless an event sent later has said otherwise."""
    place = (Published, Departed, Arrived).index(type(event))
    version, held = (event.sent_at, event.event_id), leg.versions[place]
    if held is not None and held > version:
        return leg
    versions = (*leg.versions[:place], version, *leg.versions[place + 1 :])
    if isinstance(event, Published):
        schedule = Schedule(
            event.origin,
            event.carrier,
            event.dest,
            event.tailnum,
            to_minute(event.scheduled_departure),
            to_minute(event.scheduled_arrival),
        )
        return replace(leg, schedule=schedule, versions=versions)
    if isinstance(event, Departed):
        return replace(leg, departed=to_minute(event.departed_at), versions=versions)
    return replace(leg, arrived=to_minute(event.arrived_at), versions=versions)


def _contradiction(index: int, event: LegEvent, leg: Leg) -> Refusal | None:
    departed, arrived = leg.departed, leg.arrived
    field = {Published: "scheduled_departure", Departed: "departed_at"}.get(type(event), "arrived_at")
    if departed is not None and arrived is not None and not departed < arrived <= departed + LONGEST_FLIGHT:
        message = f"leg {leg.leg!r} would land before it has left, or days after; correct the other event"
        return Refusal(index, field, "contradiction", message)
    if leg.schedule is None:
        return None
    left = departed if departed is not None else arrived
    if left is None or EARLIEST_DEPARTURE <= left - leg.schedule.scheduled <= LATEST_DEPARTURE:
        return None
    message = f"leg {leg.leg!r} would leave or land days from its published time; is it another day's leg?"
    return Refusal(index, field, "contradiction", message)


def _too_late(index: int, leg: Leg, since: int) -> Refusal | None:
    if leg.moment >= since:
        return None
    message = f"leg {leg.leg!r} is too long ago to be corrected here; rebuild the tables with it"
    return Refusal(index, None, "too_late", message)
