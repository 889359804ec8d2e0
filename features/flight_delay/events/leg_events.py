"""The events of a leg: it is published, it departs, it arrives."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from features.streaming.event import Event, Instant, Name

LONGEST_LEG: Final = timedelta(days=1)
# A schedule is published about a year ahead; what lies further in the future is a mistake.
FURTHEST_AHEAD: Final = timedelta(days=400)

Code = Annotated[str, Field(min_length=1, max_length=8)]


def _refuse_future(field: str, moment: datetime, sent_at: datetime) -> None:
    if moment > sent_at:
        raise ValueError(f"{field} lies after sent_at: nothing can be reported before it happens")


class Published(Event):
    """A leg is published, or published again with other times or another aircraft."""

    type: Literal["published"]
    leg: Name
    origin: Code
    carrier: Code
    dest: Code
    tailnum: Code | None = None
    scheduled_departure: Instant
    scheduled_arrival: Instant

    @model_validator(mode="after")
    def _can_be_true(self) -> Self:
        length = self.scheduled_arrival - self.scheduled_departure
        if not timedelta(0) < length <= LONGEST_LEG:
            raise ValueError(f"scheduled_arrival must follow scheduled_departure within {LONGEST_LEG}")
        if self.scheduled_departure > self.sent_at + FURTHEST_AHEAD:
            raise ValueError(f"scheduled_departure is more than {FURTHEST_AHEAD.days} days after sent_at")
        return self


class Departed(Event):
    """A leg has left."""

    type: Literal["departed"]
    leg: Name
    departed_at: Instant

    @model_validator(mode="after")
    def _can_be_true(self) -> Self:
        _refuse_future("departed_at", self.departed_at, self.sent_at)
        return self


class Arrived(Event):
    """A leg has landed."""

    type: Literal["arrived"]
    leg: Name
    arrived_at: Instant

    @model_validator(mode="after")
    def _can_be_true(self) -> Self:
        _refuse_future("arrived_at", self.arrived_at, self.sent_at)
        return self


LegEvent = Published | Departed | Arrived
LEG_EVENTS: TypeAdapter[list[LegEvent]] = TypeAdapter(list[Annotated[LegEvent, Field(discriminator="type")]])
