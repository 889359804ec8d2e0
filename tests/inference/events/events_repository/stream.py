"""Cars are counted at a car park: each count is a row of its load."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, TypeAdapter

from features.errors import Refusal
from features.streaming.definition import StreamDefinition
from features.streaming.event import Event, Instant

COLUMNS = {"site": "object", "cars": "float64", "trend": "float64", "event_timestamp": "datetime64[us, UTC]"}


class Counted(Event):
    """So many cars were counted."""

    type: Literal["counted"]
    site: str
    cars: Annotated[int, Field(ge=0, le=10_000)]
    counted_at: Instant


class Closed(Event):
    """A car park has closed."""

    type: Literal["closed"]
    site: str


class Counts:
    """Each count is a row; nothing is counted nowhere."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def check(self, events: Sequence[Event]) -> list[Refusal]:
        nowhere = [place for place, event in enumerate(events) if getattr(event, "site", "") == "nowhere"]
        return [Refusal(place, "site", "unknown_site", "there is no such car park") for place in nowhere]

    def apply(self, events: Sequence[Event]) -> None:
        self._rows += [
            {
                "site": event.site,
                "cars": float(event.cars),
                "trend": None,
                "event_timestamp": event.counted_at,
            }
            for event in events
            if isinstance(event, Counted)
        ]

    def needs(self, event: Event) -> bool:
        return True

    def advance(self, to: datetime) -> dict[str, pd.DataFrame]:
        rows, self._rows = self._rows, []
        return {"load": pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)}


EVENTS: TypeAdapter[Any] = TypeAdapter(list[Annotated[Counted | Closed, Field(discriminator="type")]])
STREAM = StreamDefinition(events=EVENTS, processor=Counts)
