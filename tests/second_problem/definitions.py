"""Entity, views and service of the docks."""

from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, String, UnixTimestamp

station = Entity(name="station", value_type=ValueType.STRING)

recent_demand = FeatureView(
    name="recent_demand",
    entities=[station],
    ttl=timedelta(hours=6),
    schema=[
        Field(name="station", dtype=String),
        Field(name="rides_last_hour", dtype=Float64),
        Field(name="rides_last_day", dtype=Float64),
    ],
    source=FileSource(
        name="recent_demand_table", path="recent_demand.parquet", timestamp_field="event_timestamp"
    ),
)

station_facts = FeatureView(
    name="station_facts",
    entities=[station],
    ttl=timedelta(0),
    schema=[
        Field(name="station", dtype=String),
        Field(name="district", dtype=String),
        Field(name="docks", dtype=Float64),
    ],
    source=FileSource(
        name="station_facts_table", path="station_facts.parquet", timestamp_field="event_timestamp"
    ),
)

request = RequestSource(
    name="request",
    schema=[Field(name="starts_at", dtype=UnixTimestamp), Field(name="forecast", dtype=Float64)],
)


@on_demand_feature_view(
    name="hour_facts",
    mode="python",
    sources=[request],
    schema=[
        Field(name="hour", dtype=Float64),
        Field(name="weekday", dtype=Float64),
        Field(name="temperature", dtype=Float64),
    ],
)
def hour_facts(inputs: dict[str, list[Any]]) -> dict[str, list[float]]:
    """Hour, weekday and temperature of the hour that is asked about."""
    return {
        "hour": [float(moment.hour) for moment in inputs["starts_at"]],
        "weekday": [float(moment.weekday()) for moment in inputs["starts_at"]],
        "temperature": inputs["forecast"],
    }


dock_demand_v1 = FeatureService(name="dock_demand_v1", features=[recent_demand, station_facts, hour_facts])
