"""Entities, views and service of the car parks."""

from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String, UnixTimestamp

site = Entity(name="site", value_type=ValueType.STRING)

load = FeatureView(
    name="load",
    entities=[site],
    ttl=timedelta(hours=2),
    schema=[
        Field(name="site", dtype=String),
        Field(name="cars", dtype=Float64),
        Field(name="trend", dtype=Float64),
    ],
    source=FileSource(name="load_table", path="load.parquet", timestamp_field="event_timestamp"),
)

facts = FeatureView(
    name="facts",
    entities=[site],
    ttl=timedelta(0),
    schema=[
        Field(name="site", dtype=String),
        Field(name="capacity", dtype=Int64, tags={"default": "100"}),
        Field(name="district", dtype=String),
    ],
    source=FileSource(name="facts_table", path="facts.parquet", timestamp_field="event_timestamp"),
)

asked = RequestSource(
    name="asked",
    schema=[
        Field(name="opens_at", dtype=UnixTimestamp),
        Field(name="spaces", dtype=Int64),
        Field(name="fee", dtype=Float64),
    ],
)


@on_demand_feature_view(
    sources=[asked, facts],
    schema=[Field(name="hour", dtype=Float64), Field(name="free_share", dtype=Float64)],
    mode="python",
)
def from_request(inputs: dict[str, Any]) -> dict[str, Any]:
    shares = [
        None if not capacity else spaces / capacity
        for spaces, capacity in zip(inputs["spaces"], inputs["capacity"], strict=True)
    ]
    return {"hour": [float(moment.hour) for moment in inputs["opens_at"]], "free_share": shares}


parking_v1 = FeatureService(name="parking_v1", features=[load, facts, from_request])
