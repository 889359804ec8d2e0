"""The Feast repository: entities, sources, views, on-demand views and the service, all explicitly typed.

Source paths are bare file names; the offline store looks for them in `FeatureSettings.tables`.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, PrimitiveFeastType, String, UnixTimestamp

from features.flight_delay.tables.carrier_operations import CARRIER_OPERATIONS
from features.flight_delay.tables.destination_operations import DESTINATION_OPERATIONS
from features.flight_delay.tables.history import CARRIER_DESTINATION_HISTORY, ROUTE_HISTORY
from features.flight_delay.tables.origin_operations import ORIGIN_OPERATIONS
from features.windows.windowed_table import WindowedTable

origin = Entity(name="origin", value_type=ValueType.STRING, description="Airport of departure (IATA)")
carrier = Entity(name="carrier", value_type=ValueType.STRING, description="Airline (IATA)")
dest = Entity(name="dest", value_type=ValueType.STRING, description="Airport of arrival (IATA)")
flight = Entity(name="flight", value_type=ValueType.INT64, description="Flight number within the airline")
tailnum = Entity(name="tailnum", value_type=ValueType.STRING, description="Aircraft registration")

KEY_TYPES = {"origin": String, "carrier": String, "dest": String, "flight": Int64, "tailnum": String}

# Facts never expire.
NEVER = timedelta(0)


def _pushed(name: str) -> PushSource:
    """Return a source that takes rows as events make them, beside the table that is built."""
    return PushSource(name=f"{name}_push", batch_source=_table(name))


def _table(name: str) -> FileSource:
    return FileSource(name=f"{name}_table", path=f"{name}.parquet", timestamp_field="event_timestamp")


def _view(
    name: str,
    entities: list[Entity],
    ttl: timedelta,
    source: PushSource | None = None,
    /,
    **columns: PrimitiveFeastType,
) -> FeatureView:
    keys = [Field(name=entity.name, dtype=KEY_TYPES[entity.name]) for entity in entities]
    features = [Field(name=column, dtype=dtype) for column, dtype in columns.items()]
    return FeatureView(
        name=name,
        entities=entities,
        ttl=ttl,
        schema=[*keys, *features],
        source=source or _table(name),
        online=True,
    )


def _windows(
    table: WindowedTable, entities: list[Entity], ttl: timedelta, source: PushSource | None = None
) -> FeatureView:
    """Return the view of a declared table: a window more there is a field more here."""
    return _view(table.name, entities, ttl, source, **_fields(Float64, *table.columns))


def _fields(dtype: PrimitiveFeastType, *names: str) -> dict[str, PrimitiveFeastType]:
    return dict.fromkeys(names, dtype)


# Missing hours (the data has some) leave the last observation standing for up to three hours.
weather = _view(
    "weather",
    [origin],
    timedelta(hours=3),
    **_fields(
        Float64, "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"
    ),
    **_fields(Float64, "precip_3h", "pressure_change"),
)

origin_operations_push = _pushed("origin_operations")
carrier_operations_push = _pushed("carrier_operations")
destination_operations_push = _pushed("destination_operations")
aircraft_legs_push = _pushed("aircraft_legs")

# The grid has a row every few minutes: half an hour without one means that the feed has stopped.
origin_operations = _windows(ORIGIN_OPERATIONS, [origin], timedelta(minutes=30), origin_operations_push)

# A row holds until something changes. Nothing in two days: the feed has stopped, or the season is over.
carrier_operations = _windows(
    CARRIER_OPERATIONS, [origin, carrier], timedelta(days=2), carrier_operations_push
)
destination_operations = _windows(
    DESTINATION_OPERATIONS, [dest], timedelta(days=2), destination_operations_push
)

# A flight number not seen for two weeks was dropped, or is another flight now.
flight_history = _view(
    "flight_history",
    [carrier, flight, dest],
    timedelta(days=14),
    **_fields(Float64, "flight_arrival_delay", "flight_late_share"),
    **_fields(Float64, "flight_last_arrival_delay", "flight_departure_delay"),
)
route_history = _windows(ROUTE_HISTORY, [origin, dest], timedelta(days=7))
carrier_destination_history = _windows(CARRIER_DESTINATION_HISTORY, [carrier, dest], timedelta(days=7))

# Where an aircraft was two days ago says nothing about where it is now.
aircraft_legs = _view(
    "aircraft_legs",
    [tailnum],
    timedelta(days=2),
    aircraft_legs_push,
    **_fields(String, "aircraft_status", "aircraft_from", "aircraft_to"),
    **_fields(Float64, "aircraft_departure_delay", "aircraft_arrival_delay"),
    **_fields(Float64, "aircraft_scheduled", "aircraft_expected_arrival", "aircraft_leg_minutes"),
)

aircraft_facts = _view(
    "aircraft_facts",
    [tailnum],
    NEVER,
    **_fields(Float64, "aircraft_built", "aircraft_seats"),
    aircraft_maker=String,
)
carrier_facts = _view("carrier_facts", [carrier], NEVER, carrier_code=String)
origin_facts = _view("origin_facts", [origin], NEVER, origin_code=String, origin_zone=String)
destination_facts = _view("destination_facts", [dest], NEVER, dest_code=String, dest_zone=String)

request = RequestSource(
    name="request",
    schema=[
        Field(name="scheduled_departure", dtype=UnixTimestamp),
        Field(name="scheduled_arrival", dtype=UnixTimestamp),
        Field(name="distance", dtype=Float64),
    ],
)

# An on-demand function is kept in the registry as its source and run from there, so each imports what it
# calls and is annotated with built-in names only; otherwise Feast would fall back to a pickle of it.


@on_demand_feature_view(
    name="request_facts",
    mode="python",
    sources=[request, origin_facts, destination_facts],
    schema=[
        Field(name=name, dtype=Float64)
        for name in (
            "local_hour",
            "local_minute",
            "local_weekday",
            "arrival_local_hour",
            "scheduled_minutes",
            "scheduled_minutes_per_100_miles",
            "distance_miles",
        )
    ],
)
def request_facts(inputs: dict[str, list[object]]) -> dict[str, list[float]]:
    """Described in `features.flight_delay.transformations`."""
    from features.flight_delay.transformations import describe_request

    return describe_request(inputs)


@on_demand_feature_view(
    name="congestion",
    mode="python",
    sources=[origin_operations],
    schema=[Field(name=name, dtype=Float64) for name in ("backlog_per_scheduled", "departure_delay_trend")],
)
def congestion(inputs: dict[str, list[object]]) -> dict[str, list[float]]:
    """Described in `features.flight_delay.transformations`."""
    from features.flight_delay.transformations import describe_congestion

    return describe_congestion(inputs)


@on_demand_feature_view(
    name="aircraft_readiness",
    mode="python",
    sources=[request, aircraft_legs],
    schema=[Field(name=name, dtype=Float64) for name in ("aircraft_margin", "aircraft_minutes_since")],
)
def aircraft_readiness(inputs: dict[str, list[object]]) -> dict[str, list[float]]:
    """Described in `features.flight_delay.transformations`."""
    from features.flight_delay.transformations import describe_aircraft

    return describe_aircraft(inputs)


@on_demand_feature_view(
    name="day_part_history",
    mode="python",
    sources=[request, origin_facts, carrier_destination_history],
    schema=[Field(name=name, dtype=Float64) for name in ("pair_late_share", "pair_part_late_share")],
)
def day_part_history(inputs: dict[str, list[object]]) -> dict[str, list[float]]:
    """Described in `features.flight_delay.transformations`."""
    from features.flight_delay.transformations import choose_day_part

    return choose_day_part(inputs)


flight_delay_v1 = FeatureService(
    name="flight_delay_v1",
    features=[
        weather,
        origin_operations[
            [
                *("backlog", "backlog_wait", "backlog_share", "region_backlog", "region_departure_delay_2h"),
                *("scheduled_until", "scheduled_around", "departures_2h"),
                *("departure_delay_2h", "late_departure_share_2h", "arrival_delay_3h"),
            ]
        ],
        carrier_operations,
        destination_operations,
        flight_history,
        route_history,
        day_part_history,
        aircraft_legs[["aircraft_status", "aircraft_departure_delay", "aircraft_arrival_delay"]],
        aircraft_readiness,
        aircraft_facts,
        carrier_facts,
        origin_facts[["origin_code"]],
        destination_facts[["dest_code"]],
        request_facts,
        congestion,
    ],
)
