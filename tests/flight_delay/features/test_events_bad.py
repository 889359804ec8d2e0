"""Events that are not as the schema says are refused by name; a body is taken whole or not at all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.errors import EventsMalformedError, EventsRefusedError, Refusal, TooManyEventsError
from features.flight_delay.events.leg_events import FURTHEST_AHEAD, LEG_EVENTS, Departed, Published
from features.streaming.event import LISTED_REFUSALS, MOST_FIELDS, decode_events

NOON = datetime(2013, 5, 14, 12, tzinfo=UTC)
LIMIT = 10
PUBLISHED = {
    "event_id": "1",
    "type": "published",
    "sent_at": "2013-05-13T12:00:00Z",
    "leg": "20130514-JFK-DL-1",
    "origin": "JFK",
    "carrier": "DL",
    "dest": "LAX",
    "tailnum": "N1",
    "scheduled_departure": "2013-05-14T12:00:00Z",
    "scheduled_arrival": "2013-05-14T17:00:00Z",
}
DEPARTED = {
    "event_id": "2",
    "type": "departed",
    "sent_at": "2013-05-14T12:04:00Z",
    "leg": "20130514-JFK-DL-1",
    "departed_at": "2013-05-14T08:03:00-04:00",
}


def decode(*events: Any) -> Any:
    return decode_events(json.dumps({"events": events}).encode(), LEG_EVENTS, LIMIT)


def refusal_of(event: dict[str, Any]) -> Refusal:
    with pytest.raises(EventsRefusedError) as refused:
        decode(PUBLISHED, event)
    (refusal,) = refused.value.refusals
    assert refusal.index == 1
    return refusal


def test_one_bare_event_or_many_are_read() -> None:
    (one,) = decode_events(json.dumps(DEPARTED).encode(), LEG_EVENTS, LIMIT)
    published, departed = decode(PUBLISHED, DEPARTED)
    assert isinstance(published, Published)
    assert departed == one
    assert isinstance(one, Departed)
    assert one.departed_at == NOON + timedelta(minutes=3)


@pytest.mark.parametrize(
    ("event", "field", "code"),
    [
        (DEPARTED | {"type": "boarded"}, "type", "unknown_type"),
        (DEPARTED | {"departed_at": "2013-05-14T12:03:00"}, "departed_at", "naive_timestamp"),
        (DEPARTED | {"sent_at": "2013-05-14T12:04:00"}, "sent_at", "naive_timestamp"),
        (DEPARTED | {"departed_at": 1368532980}, "departed_at", "wrong_type"),
        (DEPARTED | {"departed_at": "9999-05-14T12:03:00Z"}, "departed_at", "out_of_range"),
        (DEPARTED | {"departed_at": "2013-05-14T13:03:00Z"}, None, "impossible"),
        (DEPARTED | {"leg": 5}, "leg", "wrong_type"),
        (DEPARTED | {"gate": "B7"}, "gate", "unknown_field"),
        ({name: value for name, value in DEPARTED.items() if name != "leg"}, "leg", "missing_field"),
        (PUBLISHED | {"scheduled_arrival": "2013-05-14T12:00:00Z"}, None, "impossible"),
        (PUBLISHED | {"scheduled_arrival": "2013-05-16T12:00:00Z"}, None, "impossible"),
        (PUBLISHED | {"sent_at": (NOON - 2 * FURTHEST_AHEAD).isoformat()}, None, "impossible"),
        (PUBLISHED | {"origin": "somewhere far"}, "origin", "out_of_range"),
        (5, None, "wrong_type"),
    ],
)
def test_a_wrong_field_is_named(event: Any, field: str | None, code: str) -> None:
    refusal = refusal_of(event)
    assert (refusal.field, refusal.code) == (field, code)
    assert refusal.message


def test_other_bodies_are_refused() -> None:
    with pytest.raises(EventsMalformedError, match="not JSON"):
        decode_events(b"{", LEG_EVENTS, LIMIT)
    with pytest.raises(TooManyEventsError, match="at most 10"):
        decode(*[DEPARTED] * (LIMIT + 1))
    for body in (b"[]", b"5", b'{"events": []}', b'{"events": 5}', b'{"events": [], "more": 1}'):
        with pytest.raises(EventsRefusedError, match="nothing was taken"):
            decode_events(body, LEG_EVENTS, LIMIT)


def test_no_more_is_explained_than_is_listed() -> None:
    wrong = DEPARTED | {f"strange_{place}": 0 for place in range(30)}

    with pytest.raises(EventsRefusedError, match="100 or more") as refused:
        decode(*[wrong] * LIMIT)

    assert len(refused.value.refusals) == LISTED_REFUSALS
    assert {refusal.index for refusal in refused.value.refusals} == {0, 1, 2, 3}


def test_an_event_of_countless_fields_is_not_explained() -> None:
    refusal = refusal_of(DEPARTED | {f"strange_{place}": 0 for place in range(MOST_FIELDS)})

    assert (refusal.field, refusal.code) == (None, "too_many_fields")
