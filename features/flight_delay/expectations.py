"""What the tables here must satisfy beyond their views: ranges, null shares, freshness (Pandera).

A repository may have such a file beside its `definitions.py`; one without is held to its views alone.
"""

from datetime import timedelta
from typing import Any

import pandera.pandas as pa

from features.flight_delay.day_parts import DAY_PARTS
from features.flight_delay.tables.operations import EARLIEST, LATEST
from features.quality.expectation import Columns, Expectation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

# Windows run empty, and say so, long after the last thing that happened in them.
OPERATIONS_AHEAD, HISTORY_AHEAD = 4 * DAY, 31 * DAY


def _text(*names: str, nullable: bool = False) -> Columns:
    return {name: pa.Column(str, nullable=nullable) for name in names}


def _count(*names: str) -> Columns:
    return {name: pa.Column(float, pa.Check.ge(0)) for name in names}


def _share(*names: str) -> Columns:
    return {name: pa.Column(float, pa.Check.in_range(0, 1), nullable=True) for name in names}


def _mean_delay(*names: str) -> Columns:
    return {name: pa.Column(float, pa.Check.in_range(EARLIEST, LATEST), nullable=True) for name in names}


def _number(*names: str) -> Columns:
    return {name: pa.Column(float, nullable=True) for name in names}


def _positive(*names: str) -> Columns:
    return {name: pa.Column(float, pa.Check.gt(0)) for name in names}


def _instant(*names: str, nullable: bool = False) -> Columns:
    return {name: pa.Column("datetime64[us, UTC]", nullable=nullable) for name in names}


def _flight_number() -> Columns:
    return {"flight": pa.Column("int64", pa.Check.ge(1))}


def _table(keys: Columns, columns: Columns) -> pa.DataFrameSchema:
    instant = _instant("event_timestamp")
    return pa.DataFrameSchema({**keys, **instant, **columns}, strict=True, unique=[*keys, *instant])


_EXAMPLES = pa.DataFrameSchema(
    {
        **_text("example_id", "origin", "carrier", "dest"),
        **_flight_number(),
        **_text("tailnum", nullable=True),
        **_positive("distance"),
        **_instant("scheduled_departure", "scheduled_arrival", "event_timestamp"),
    },
    checks=[
        pa.Check(lambda rows: rows["scheduled_arrival"] > rows["scheduled_departure"], name="arrives_after"),
        pa.Check(lambda rows: rows["event_timestamp"] < rows["scheduled_departure"], name="asked_before"),
    ],
    unique=["example_id"],
    strict=True,
)

_OUTCOMES = pa.DataFrameSchema(
    {**_text("example_id"), **_number("arr_delay"), **_instant("known_at", nullable=True)},
    checks=pa.Check(lambda rows: rows["arr_delay"].isna() == rows["known_at"].isna(), name="known_together"),
    unique=["example_id"],
    strict=True,
)

_SCHEMAS: dict[str, pa.DataFrameSchema] = {
    "examples": _EXAMPLES,
    "outcomes": _OUTCOMES,
    "weather": _table(
        _text("origin"),
        {
            **_number("temp", "dewp", "wind_dir", "wind_speed", "wind_gust", "pressure", "pressure_change"),
            "humid": pa.Column(float, pa.Check.in_range(0, 101), nullable=True),
            **_count("precip", "precip_3h", "visib"),
        },
    ),
    "origin_operations": _table(
        _text("origin"),
        {
            **_count("backlog", "scheduled_until", "scheduled_around", "region_backlog", "departures_2h"),
            "backlog_wait": pa.Column(float, pa.Check.ge(0), nullable=True),
            **_share("backlog_share", "late_departure_share_2h"),
            **_mean_delay("region_departure_delay_2h", "departure_delay_1h", "departure_delay_2h"),
            **_mean_delay("departure_delay_4h", "arrival_delay_3h"),
        },
    ),
    "carrier_operations": _table(
        _text("origin", "carrier"),
        {
            **_count("carrier_backlog"),
            **_share("carrier_backlog_share", "carrier_late_departure_share_3h"),
            **_mean_delay("carrier_departure_delay_1h", "carrier_departure_delay_3h"),
        },
    ),
    "destination_operations": _table(
        _text("dest"),
        {
            **_count("dest_backlog"),
            **_share("dest_late_arrival_share_24h"),
            **_mean_delay("dest_departure_delay_3h", "dest_arrival_delay_4h", "dest_arrival_delay_24h"),
        },
    ),
    "flight_history": _table(
        {**_text("carrier", "dest"), **_flight_number()},
        {
            **_share("flight_late_share"),
            **_mean_delay("flight_arrival_delay", "flight_departure_delay"),
            **_number("flight_last_arrival_delay"),
        },
    ),
    "route_history": _table(
        _text("origin", "dest"),
        {
            **_count("route_arrivals_28d"),
            **_share("route_late_share_7d", "route_late_share_28d"),
            **_number("route_lost_7d"),
        },
    ),
    "carrier_destination_history": _table(
        _text("carrier", "dest"),
        _count(*(f"pair_{kind}_{part}" for kind in ("arrivals", "late") for part in DAY_PARTS)),
    ),
    "aircraft_legs": _table(
        _text("tailnum"),
        {
            **_text("aircraft_status", "aircraft_from", "aircraft_to"),
            **_number("aircraft_departure_delay", "aircraft_arrival_delay", "aircraft_expected_arrival"),
            **_positive("aircraft_scheduled", "aircraft_leg_minutes"),
        },
    ),
    "aircraft_facts": _table(
        _text("tailnum"),
        {
            **_number("aircraft_built"),
            **_positive("aircraft_seats"),
            **_text("aircraft_maker", nullable=True),
        },
    ),
    "carrier_facts": _table(_text("carrier"), _text("carrier_code")),
    "origin_facts": _table(_text("origin"), _text("origin_code", "origin_zone")),
    "destination_facts": _table(_text("dest"), _text("dest_code", "dest_zone")),
}

# The lifetimes are the views' TTLs, said again so that a build need not load Feast. Only the weather may be
# older: that of New Year's Eve is not in the raw files, nor are some nights' hours.
_BOUNDS: dict[str, dict[str, Any]] = {
    "examples": {"null_shares": {"tailnum": 0.1}, "largest_gap": 2 * DAY},
    "weather": {
        "null_shares": dict.fromkeys(("temp", "dewp", "humid"), 0.05) | {"pressure": 0.5},
        "lifetime": 36 * HOUR,
        "largest_gap": 12 * HOUR,
    },
    "origin_operations": {
        # No wait where nothing waits, which may be so for days.
        "null_shares": {"backlog_wait": 1.0},
        "lifetime": timedelta(minutes=30),
        "ahead": OPERATIONS_AHEAD,
    },
    "carrier_operations": {"lifetime": 2 * DAY, "ahead": OPERATIONS_AHEAD},
    "destination_operations": {"lifetime": 2 * DAY, "ahead": OPERATIONS_AHEAD},
    "flight_history": {"lifetime": 14 * DAY, "ahead": OPERATIONS_AHEAD},
    "route_history": {"lifetime": 7 * DAY, "ahead": HISTORY_AHEAD},
    "carrier_destination_history": {"lifetime": 7 * DAY, "ahead": HISTORY_AHEAD},
    "aircraft_legs": {"lifetime": 2 * DAY, "ahead": OPERATIONS_AHEAD},
}

EXPECTATIONS: dict[str, Expectation] = {
    name: Expectation(schema, **_BOUNDS.get(name, {})) for name, schema in _SCHEMAS.items()
}
