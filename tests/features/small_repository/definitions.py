"""A repository with every shape of view: ties, renamed columns, two keys, none, no TTL, aliases, computed."""

from datetime import timedelta
from typing import Any

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Bool, Float32, Float64, Int64, String, UnixTimestamp

device = Entity(name="device", value_type=ValueType.STRING)
site = Entity(name="site", value_type=ValueType.INT64)

readings = FeatureView(
    name="readings",
    entities=[device],
    ttl=timedelta(hours=1),
    schema=[
        Field(name="device", dtype=String),
        Field(name="level", dtype=Float64),
        Field(name="mode", dtype=String),
        Field(name="count", dtype=Int64, tags={"default": "2"}),
    ],
    source=FileSource(
        name="readings_table",
        path="readings.parquet",
        timestamp_field="observed_at",
        created_timestamp_column="created_at",
        field_mapping={"raw_level": "level"},
    ),
)

site_load = FeatureView(
    name="site_load",
    entities=[site],
    ttl=timedelta(0),
    schema=[
        Field(name="site", dtype=Int64),
        Field(name="load", dtype=Float32),
        Field(name="open", dtype=Bool),
    ],
    source=PushSource(
        name="site_load_push",
        batch_source=FileSource(
            name="site_load_table", path="site_load.parquet", timestamp_field="event_timestamp"
        ),
    ),
)

pairing = FeatureView(
    name="pairing",
    entities=[site, device],
    ttl=timedelta(hours=6),
    schema=[
        Field(name="site", dtype=Int64),
        Field(name="device", dtype=String),
        Field(name="score", dtype=Float64),
    ],
    source=FileSource(name="pairing_table", path="pairing.parquet", timestamp_field="event_timestamp"),
)

season = FeatureView(
    name="season",
    entities=[],
    ttl=timedelta(days=1),
    schema=[Field(name="season_index", dtype=Float64)],
    source=FileSource(name="season_table", path="season.parquet", timestamp_field="event_timestamp"),
)

asked = RequestSource(
    name="asked",
    schema=[
        Field(name="due_at", dtype=UnixTimestamp),
        Field(name="amount", dtype=Int64),
        Field(name="note", dtype=String),
    ],
)


@on_demand_feature_view(
    name="request_facts",
    mode="python",
    sources=[asked],
    schema=[Field(name="due_hour", dtype=Float64), Field(name="short_note", dtype=String)],
)
def request_facts(inputs: dict[str, list[Any]]) -> dict[str, list[object]]:
    return {
        "due_hour": [
            None if moment is None else moment.hour + moment.minute / 60 for moment in inputs["due_at"]
        ],
        "short_note": [None if note is None else note[:3] for note in inputs["note"]],
    }


@on_demand_feature_view(
    name="relation",
    mode="python",
    sources=[asked, readings, site_load],
    schema=[Field(name="amount_per_level", dtype=Float64), Field(name="has_level", dtype=Float64)],
)
def relation(inputs: dict[str, list[Any]]) -> dict[str, list[object]]:
    pairs = list(zip(inputs["amount"], inputs["readings__level"], strict=True))
    return {
        "amount_per_level": [None if a is None or not level else a / level for a, level in pairs],
        "has_level": [float(level is not None) for _, level in pairs],
    }


@on_demand_feature_view(
    name="load_steps",
    mode="pandas",
    sources=[site_load],
    schema=[Field(name="load_step", dtype=Float64)],
)
def load_steps(frame: pd.DataFrame) -> pd.DataFrame:
    return (frame["load"] * 4).round().to_frame("load_step").astype("float64")


small_v1 = FeatureService(
    name="small_v1",
    features=[readings, site_load[["open"]], pairing, season, request_facts, relation, load_steps],
)
stored_v1 = FeatureService(name="stored_v1", features=[readings, site_load, pairing])
transfer_v1 = FeatureService(
    name="transfer_v1",
    features=[
        readings.with_name("sender").with_join_key_map({"device": "sender"})[["level"]],
        readings.with_name("receiver").with_join_key_map({"device": "receiver"})[["mode", "count"]],
    ],
)
