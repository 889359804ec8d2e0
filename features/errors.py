"""What can go wrong in the features room; every message says what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass


class FeatureError(Exception):
    """Base of this room's errors."""


class UnreadableSettingError(FeatureError):
    """An environment variable or a line of `.env` holds what its setting cannot be; the message names it."""


class RawDataError(FeatureError):
    """A raw file is missing, truncated or not what it should be; the message names the file."""


class TableMissingError(FeatureError):
    """A table that should have been built is not there."""


class TableQualityError(FeatureError):
    """A built table breaks its schema; the message names the table and the first violations."""


class RepositoryError(FeatureError):
    """The Feast repository cannot be read, or has never been applied."""


class UnknownServiceError(FeatureError):
    """The feature service asked for is not in the registry; the message lists those that are."""


class UnsupportedRetrievalError(FeatureError):
    """A retrieval that the as-of offline store does not do; the message says what to use instead."""


class UnsupportedFeatureError(FeatureError):
    """A feature whose type is neither text, number nor boolean, so that no model input can carry it."""


class OnlineStoreError(FeatureError):
    """The online store is absent, locked or not laid out; the message says how to put it right."""


class TableLayoutError(TableQualityError):
    """A table lacks a column, has one of another type, or timestamps without zone or not in microseconds."""


class TableTimeError(TableQualityError):
    """A table stopped, has a hole in time, or has rows in the future."""


class ContradictionError(FeatureError):
    """Two rows of a contract table say different things of one example, and nothing says which is right."""


class QualityRecordError(FeatureError):
    """The record of table checks cannot be read."""


class SparkUnavailableError(FeatureError):
    """Spark cannot be started: PySpark is not installed, or Java is missing or too old."""


class LineageError(FeatureError):
    """Nothing was recorded under the name asked for, or the record of events cannot be read."""


class EntityRowsError(UnsupportedRetrievalError):
    """The rows to find features for lack a column, or have one twice, without values, or of a wrong type."""


class RetrievalStoppedError(FeatureError):
    """DuckDB ended a retrieval: out of memory, out of time, or a file that it cannot read."""


class EventError(FeatureError):
    """Base of what can be wrong with events; nothing of what was sent was taken."""


class EventsMalformedError(EventError):
    """The body is no JSON."""


class TooManyEventsError(EventError):
    """More events were sent than are taken at once."""


@dataclass(frozen=True)
class Refusal:
    """Why one event is not taken; `index` counts from 0, `field` is `None` for the whole event."""

    index: int
    field: str | None
    code: str
    message: str


class EventsRefusedError(EventError):
    """Events that cannot be true, or are not as the schema says; `refusals` names each event and field."""

    def __init__(self, message: str, refusals: Sequence[Refusal]) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


class EventIdReusedError(EventsRefusedError):
    """An event id was taken before for an event that said something else."""


class EventJournalError(FeatureError):
    """The journal of events cannot be opened or written, so nothing may be acknowledged."""


class NoStreamError(FeatureError):
    """The feature repository takes no events."""
