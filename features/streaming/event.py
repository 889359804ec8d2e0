"""What every event carries, and how a body of events is decoded: strictly, each wrong field named."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from features.errors import EventsMalformedError, EventsRefusedError, Refusal, TooManyEventsError

# Instants outside of these are mistakes, and would not fit into microseconds everywhere.
EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
# Nothing is explained beyond these: a body of megabytes can hold hundreds of thousands.
LISTED_REFUSALS: Final = 100
MOST_FIELDS: Final = 1_000

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


def refused(refusals: Sequence[Refusal]) -> EventsRefusedError:
    """Return the error that lists the refusals, the first `LISTED_REFUSALS` of them."""
    first = refusals[0]
    number = f"{LISTED_REFUSALS} or more" if len(refusals) >= LISTED_REFUSALS else len(refusals)
    return EventsRefusedError(
        f"{number} refusals and nothing was taken; the first is event {first.index}: {first.message}",
        refusals[:LISTED_REFUSALS],
    )


def decode_events(body: bytes, events: TypeAdapter[Any], limit: int) -> list[Event]:
    """Return the events of `{"events": [...]}` or of one bare event, in their order.

    Raises:
        EventsMalformedError: the body is not JSON.
        TooManyEventsError: there are more than `limit`.
        EventsRefusedError: a field is wrong; the first `LISTED_REFUSALS` are listed.
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
    decoded, refusals = list[Event](), list[Refusal]()
    for index, event in enumerate(listed):
        try:
            decoded += _decode_event(index, event, events)
        except EventsRefusedError as error:
            refusals += error.refusals
        if len(refusals) >= LISTED_REFUSALS:
            break
    if refusals:
        raise refused(refusals)
    return decoded


def _decode_event(index: int, event: Any, events: TypeAdapter[Any]) -> list[Event]:
    if isinstance(event, dict) and len(event) > MOST_FIELDS:
        message = f"{len(event)} fields in one event; send those that the schema lists"
        raise refused([Refusal(index, None, "too_many_fields", message)])
    try:
        decoded: list[Event] = events.validate_json(json.dumps([event]))
    except ValidationError as error:
        raise refused(_refusals(index, error)) from None
    return decoded


def _refusals(index: int, error: ValidationError) -> list[Refusal]:
    if error.error_count() > MOST_FIELDS:  # to explain takes far longer than to find
        message = f"{error.error_count()} errors in one event; send it as the schema says"
        return [Refusal(index, None, "too_many_errors", message)]
    return [_refusal(index, found) for found in error.errors(include_url=False)]


def _refusal(index: int, error: ErrorDetails) -> Refusal:
    # Pydantic's place of an error in a tagged union: index, tag, field.
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
