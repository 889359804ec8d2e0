"""What every table must satisfy before it replaces its predecessor (Pandera)."""

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from features.contract import EXAMPLES, OUTCOMES
from features.day_parts import DAY_PARTS
from features.errors import TableQualityError
from features.tables.operations import EARLIEST, LATEST

SHOWN_VIOLATIONS = 5

Columns = dict[str, pa.Column]


def check_table(name: str, frame: pd.DataFrame) -> None:
    """Check one table against its schema in `SCHEMAS` (columns, types, ranges, one row per key and instant).

    Raises:
        TableQualityError: it breaks the schema; the message has the table and the first violations.
    """
    try:
        SCHEMAS[name].validate(frame, lazy=True)
    except SchemaErrors as error:
        found = error.failure_cases[["column", "check", "failure_case"]].head(SHOWN_VIOLATIONS)
        raise TableQualityError(
            f"{name} breaks its schema ({len(error.failure_cases)} violations); the first:\n"
            f"{found.to_string(index=False)}\nMend the raw files or the builder; nothing was replaced."
        ) from error


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

SCHEMAS: dict[str, pa.DataFrameSchema] = {
    EXAMPLES: _EXAMPLES,
    OUTCOMES: _OUTCOMES,
    "weather.parquet": _table(
        _text("origin"),
        {
            **_number("temp", "dewp", "wind_dir", "wind_speed", "wind_gust", "pressure", "pressure_change"),
            "humid": pa.Column(float, pa.Check.in_range(0, 101), nullable=True),
            **_count("precip", "precip_3h", "visib"),
        },
    ),
    "origin_operations.parquet": _table(
        _text("origin"),
        {
            **_count("backlog", "scheduled_until", "scheduled_around", "region_backlog", "departures_2h"),
            "backlog_wait": pa.Column(float, pa.Check.ge(0), nullable=True),
            **_share("backlog_share", "late_departure_share_2h"),
            **_mean_delay("region_departure_delay_2h", "departure_delay_1h", "departure_delay_2h"),
            **_mean_delay("departure_delay_4h", "arrival_delay_3h"),
        },
    ),
    "carrier_operations.parquet": _table(
        _text("origin", "carrier"),
        {
            **_count("carrier_backlog"),
            **_share("carrier_backlog_share", "carrier_late_departure_share_3h"),
            **_mean_delay("carrier_departure_delay_1h", "carrier_departure_delay_3h"),
        },
    ),
    "destination_operations.parquet": _table(
        _text("dest"),
        {
            **_count("dest_backlog"),
            **_share("dest_late_arrival_share_24h"),
            **_mean_delay("dest_departure_delay_3h", "dest_arrival_delay_4h", "dest_arrival_delay_24h"),
        },
    ),
    "flight_history.parquet": _table(
        {**_text("carrier", "dest"), **_flight_number()},
        {
            **_share("flight_late_share"),
            **_mean_delay("flight_arrival_delay", "flight_departure_delay"),
            **_number("flight_last_arrival_delay"),
        },
    ),
    "route_history.parquet": _table(
        _text("origin", "dest"),
        {
            **_count("route_arrivals_28d"),
            **_share("route_late_share_7d", "route_late_share_28d"),
            **_number("route_lost_7d"),
        },
    ),
    "carrier_destination_history.parquet": _table(
        _text("carrier", "dest"),
        _count(*(f"pair_{kind}_{part}" for kind in ("arrivals", "late") for part in DAY_PARTS)),
    ),
    "aircraft_legs.parquet": _table(
        _text("tailnum"),
        {
            **_text("aircraft_status", "aircraft_from", "aircraft_to"),
            **_number("aircraft_departure_delay", "aircraft_arrival_delay", "aircraft_expected_arrival"),
            **_positive("aircraft_scheduled", "aircraft_leg_minutes"),
        },
    ),
    "aircraft_facts.parquet": _table(
        _text("tailnum"),
        {
            **_number("aircraft_built"),
            **_positive("aircraft_seats"),
            **_text("aircraft_maker", nullable=True),
        },
    ),
    "carrier_facts.parquet": _table(_text("carrier"), _text("carrier_code")),
    "origin_facts.parquet": _table(_text("origin"), _text("origin_code", "origin_zone")),
    "destination_facts.parquet": _table(_text("dest"), _text("dest_code", "dest_zone")),
}
