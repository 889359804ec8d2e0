"""What a feature repository declares of its events. Light: who only describes them imports no Feast."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter

from features.errors import Refusal
from features.streaming.event import Event

if TYPE_CHECKING:
    import pandas as pd


class EventProcessor(Protocol):
    """What a repository's processor does with its events; the same events in any order give the same rows."""

    def check(self, events: Sequence[Event]) -> list[Refusal]:
        """Return the events that cannot be true beside those applied; nothing changes."""

    def apply(self, events: Sequence[Event]) -> None:
        """Take in events that `check` lets pass."""

    def advance(self, to: datetime) -> "dict[str, pd.DataFrame]":
        """Return the rows by view that are new up to `to`, and those whose numbers have changed since."""

    def needs(self, event: Event) -> bool:
        """Return whether an applied event may still change a row; if not, the journal forgets it."""


@dataclass(frozen=True)
class StreamDefinition:
    """What `stream.py` of a feature repository says as `STREAM`: event types, and what makes rows of them.

    Rows further back than `kept` no longer change, whatever comes. `replay` returns the events that the raw
    files of a period (its two ends, UTC) would have sent; it takes the configured folder of those, if any.
    """

    events: TypeAdapter[Any]
    processor: Callable[[], EventProcessor]
    kept: timedelta = timedelta(days=30)
    replay: Callable[[Path | None, datetime, datetime], Iterable[Event]] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a list of events."""
        return self.events.json_schema()
