"""What every event carries, and how a body of events is decoded: strictly, each wrong field named."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from features.errors import EventsMalformedError, EventsRefusedError, TooManyEventsError

# Instants outside of these are mistakes, and would not fit into microseconds everywhere.
EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
LISTED_REFUSALS: Final = 100

Instant = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Event(BaseModel):
    """Base of a repository's events. `event_id` names the event, so that a repetition counts once.

    `sent_at` is when its source sent it: of two events that say the same thing of the same subject, the one
    sent last holds.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    event_id: Name
    sent_at: Instant


@dataclass(frozen=True)
class Refusal:
    """Why one event is not taken; `index` counts from 0, `field` is `None` for the whole event."""

    index: int
    field: str | None
    code: str
    message: str


def refused(refusals: Sequence[Refusal]) -> EventsRefusedError:
    """Return the error that lists the refusals, the first `LISTED_REFUSALS` of them."""
    first = refusals[0]
    return EventsRefusedError(
        f"{len(refusals)} refusals and nothing was taken; the first is event {first.index}: {first.message}",
        refusals[:LISTED_REFUSALS],
    )


def decode_events(body: bytes, events: TypeAdapter[Any], limit: int) -> list[Event]:
    """Return the events of `{"events": [...]}` or of one bare event, in their order.

    Raises:
        EventsMalformedError: the body is not JSON.
        TooManyEventsError: there are more than `limit`.
        EventsRefusedError: a field is wrong; all are listed.
    """
    try:
        document = from_json(body)
    except ValueError as error:
        raise EventsMalformedError(f"the body is not JSON: {error}; send an object in UTF-8") from error
    listed = document.get("events", [document]) if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed or (len(document) > 1 and "events" in document):
        raise refused([Refusal(0, None, "invalid_request", 'send {"events": [...]} or one bare event')])
    if len(listed) > limit:
        raise TooManyEventsError(f"{len(listed)} events at once; send at most {limit} at a time")
    try:
        decoded: list[Event] = events.validate_json(json.dumps(listed))
    except ValidationError as error:
        raise refused([_refusal(found) for found in error.errors(include_url=False)]) from None
    return decoded


def _refusal(error: ErrorDetails) -> Refusal:
    # Pydantic's place of an error in a tagged union: index, tag, field.
    index = error["loc"][0] if error["loc"] and isinstance(error["loc"][0], int) else 0
    field = str(error["loc"][2]) if len(error["loc"]) > 2 else None
    kind = error["type"]
    if kind.startswith("union_tag"):
        return Refusal(index, "type", "unknown_type", f"{error['msg']}; send a type that the schema lists")
    if kind == "timezone_aware":
        message = f"{field!r} has no zone; add one, for example 2013-05-14T18:30:00Z"
        return Refusal(index, field, "naive_timestamp", message)
    codes = {"extra_forbidden": "unknown_field", "missing": "missing_field", "value_error": "impossible"}
    in_range = kind.startswith(("greater", "less", "string_too"))
    code = codes.get(kind, "out_of_range" if in_range else "wrong_type")
    return Refusal(index, field, code, f"{field or 'event'}: {error['msg']}; send it as the schema says")
