"""The car parks, whose load is pushed as cars are counted."""

from datetime import timedelta

from feast import FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Float64, String

from tests.inference.repository.definitions import asked, facts, from_request, site

__all__ = ["asked", "facts", "from_request", "site"]

load_push = PushSource(
    name="load_push",
    batch_source=FileSource(name="load_table", path="load.parquet", timestamp_field="event_timestamp"),
)
load = FeatureView(
    name="load",
    entities=[site],
    ttl=timedelta(hours=2),
    schema=[
        Field(name="site", dtype=String),
        Field(name="cars", dtype=Float64),
        Field(name="trend", dtype=Float64),
    ],
    source=load_push,
)
parking_v1 = FeatureService(name="parking_v1", features=[load, facts, from_request])
