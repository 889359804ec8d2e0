"""The live state against a handful of legs whose answers are plain: early, late, corrected, never gone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from features.flight_delay.events.leg_events import Arrived, Departed, LegEvent, Published
from features.flight_delay.events.leg_processor import KEPT_DAYS, LegProcessor
from features.flight_delay.tables.operations import BACKLOG_PATIENCE
from tests.flight_delay.features import event_worlds as worlds

NOON = datetime(2013, 5, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def published(leg: str, scheduled: int, sent: int = -1440, **changes: Any) -> Published:
    said: dict[str, Any] = {"origin": "JFK", "carrier": "DL", "dest": "LAX", "tailnum": "N1"} | changes
    return Published(
        event_id=f"{leg}-published-{sent}",
        type="published",
        sent_at=after(sent),
        leg=leg,
        scheduled_departure=after(scheduled),
        scheduled_arrival=after(scheduled + 300),
        **said,
    )


def departed(leg: str, minute: float, sent: float | None = None) -> Departed:
    moment = after(minute)
    sent_at = moment if sent is None else after(sent)
    return Departed(
        event_id=f"{leg}-departed-{sent_at}", type="departed", sent_at=sent_at, leg=leg, departed_at=moment
    )


def arrived(leg: str, minute: float) -> Arrived:
    moment = after(minute)
    return Arrived(event_id=f"{leg}-arrived", type="arrived", sent_at=moment, leg=leg, arrived_at=moment)


def told(engine: LegProcessor, view: str, minutes: float) -> Any:
    """The rows that advancing brings, by instant; pandas' stubs know no cell by a `datetime`."""
    rows = engine.advance(after(minutes)).get(view, pd.DataFrame({worlds.AT: []}))
    return rows.set_index(worlds.AT)


def test_a_leg_waits_goes_and_leaves_the_window() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0)])
    assert told(engine, "carrier_operations", 20)["carrier_backlog"].tolist() == [1]
    engine.apply([departed("a", 25)])
    rows = told(engine, "carrier_operations", 300)
    assert rows.loc[after(30), "carrier_backlog"] == 0
    assert rows.loc[after(30), "carrier_departure_delay_1h"] == 25
    assert pd.isna(rows.loc[after(90), "carrier_departure_delay_1h"])
    assert pd.isna(rows.loc[after(210), "carrier_departure_delay_3h"])


def test_a_moment_within_a_minute_is_known_at_the_next() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0), departed("a", 9.5)])
    rows = told(engine, "aircraft_legs", 60)
    assert rows.loc[after(10), "aircraft_status"] == "gone"
    assert rows.loc[after(10), "aircraft_departure_delay"] == 10


def test_a_leg_that_never_leaves_is_given_up_as_the_clock_goes_on() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0)])
    engine.advance(after(BACKLOG_PATIENCE - 1))
    assert told(engine, "aircraft_legs", BACKLOG_PATIENCE)["aircraft_status"].tolist() == ["given_up"]
    rows = told(engine, "carrier_operations", BACKLOG_PATIENCE + 10)
    assert rows.empty or rows["carrier_backlog"].tolist() == [0]


def test_a_late_departure_corrects_the_rows_that_it_was_missing_in() -> None:
    # Given rows told of while a departure was not known
    engine = LegProcessor()
    engine.apply([published("a", 0), published("b", 60)])
    before = told(engine, "carrier_operations", 100)
    assert before.loc[after(60), "carrier_backlog"] == 2

    # When it comes an hour late
    engine.apply([departed("a", 10, sent=100)])
    corrected = told(engine, "carrier_operations", 100)

    # Then what was said wrongly is said again, and nothing else
    assert corrected.loc[after(60), "carrier_backlog"] == 1
    assert corrected.loc[after(60), "carrier_departure_delay_1h"] == 10
    assert after(0) not in corrected.index


def test_what_was_told_and_was_never_so_says_what_holds() -> None:
    # Given an aircraft told to be waiting, which had left early
    engine = LegProcessor()
    engine.apply([published("a", 0)])
    assert told(engine, "aircraft_legs", 5)["aircraft_status"].tolist() == ["waiting"]
    engine.apply([departed("a", -3, sent=5)])

    # When
    rows = told(engine, "aircraft_legs", 5)

    # Then its row repeats what holds then
    assert rows["aircraft_status"].tolist() == ["gone", "gone"]
    assert rows.index.tolist() == [after(-3), after(0)]


def test_a_leg_published_again_moves_with_its_aircraft() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0), published("a", 30, sent=-60, tailnum="N2")])
    rows = told(engine, "aircraft_legs", 60)
    assert rows["tailnum"].tolist() == ["N2"]
    assert rows.index.tolist() == [after(30)]


def test_the_word_sent_last_holds_in_whichever_order_it_comes() -> None:
    words: list[LegEvent] = [published("a", 0), departed("a", 10, sent=20), departed("a", 15, sent=30)]
    for order in (words, words[::-1]):
        engine = LegProcessor()
        engine.apply(order)
        rows = told(engine, "aircraft_legs", 60)
        assert rows.loc[after(15), "aircraft_departure_delay"] == 15
        assert after(10) not in rows.index


def test_what_is_heard_of_a_leg_before_its_schedule_waits_for_it() -> None:
    engine = LegProcessor()
    engine.apply([arrived("a", 290), departed("a", 5)])
    assert engine.advance(after(300)) == {}
    engine.apply([published("a", 0)])
    assert told(engine, "aircraft_legs", 300)["aircraft_status"].tolist() == ["waiting", "gone", "landed"]


def test_an_arrival_without_a_departure_counts_as_an_arrival() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0), arrived("a", 290)])
    rows = told(engine, "destination_operations", 300)
    assert rows.loc[after(290), "dest_arrival_delay_4h"] == -10
    assert rows.loc[after(290), "dest_backlog"] == 1


@pytest.mark.parametrize(
    ("known", "event", "code"),
    [
        ([published("a", 0), departed("a", 10)], arrived("a", 10), "contradiction"),
        ([published("a", 0), arrived("a", 290)], departed("a", 300), "contradiction"),
        ([published("a", 0)], departed("a", 4 * 1440), "contradiction"),
        ([departed("a", 10)], published("a", 5 * 1440, sent=5), "contradiction"),
        ([published("b", KEPT_DAYS * 1440 + 10, sent=0)], published("a", 0), "too_late"),
    ],
)
def test_what_cannot_be_true_beside_what_is_known_is_refused(
    known: list[LegEvent], event: LegEvent, code: str
) -> None:
    # Given
    engine = LegProcessor()
    engine.apply(known)
    heard = max(event.sent_at, *(one.sent_at for one in known))
    engine.advance(heard if code != "too_late" else heard + KEPT_DAYS * DAY + timedelta(minutes=1))

    # Then it is refused by itself, and beside the others in one batch
    (refusal,) = engine.check([event])
    assert (refusal.index, refusal.code) == (0, code)
    if code == "contradiction":
        (refusal,) = LegProcessor().check([*known, event])
        assert refusal.index == len(known)


def test_a_gap_of_years_costs_neither_rows_nor_memory() -> None:
    engine = LegProcessor()
    engine.apply([published("a", 0), departed("a", 5)])
    engine.advance(after(600))
    years = 5 * 365 * 1440
    engine.apply([published("b", years, sent=years - 1440)])
    rows = engine.advance(after(years + 30))
    assert sum(map(len, rows.values())) < 5_000
    assert rows["carrier_operations"].set_index(worlds.AT).loc[after(years), "carrier_backlog"] == 1  # type: ignore[index]


def test_old_legs_are_forgotten_and_their_events_no_longer_needed() -> None:
    engine, first = LegProcessor(), published("a", 0)
    engine.apply([first])
    for day in range(2 * KEPT_DAYS):
        engine.apply([published(f"b{day}", 1440 * day, sent=1440 * day - 1440)])
        engine.advance(after(1440 * day))
    assert not engine.needs(first)
    assert engine.needs(published(f"b{day}", 1440 * day))
