"""The Feast repository agrees with the tables that are built for it, and every TTL means something."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast import FeatureView, FileSource
from feast.types import FeastType, Float64, Int64, String

from features.contract import EXAMPLES, OUTCOMES
from features.flight_delay import definitions
from features.flight_delay.build import TABLES
from features.flight_delay.tables.examples import HORIZON_MINUTES, KEYS

VIEWS = [thing for thing in vars(definitions).values() if isinstance(thing, FeatureView)]
PARQUET_TYPES: dict[FeastType, str] = {Float64: "double", Int64: "int64", String: "string"}
SERVICE = definitions.flight_delay_v1


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_declares_what_its_table_holds(view: FeatureView, days: Path) -> None:
    # Given
    assert isinstance(view.batch_source, FileSource)
    table = pq.read_schema(days / view.batch_source.path)
    # When
    declared = {field.name: PARQUET_TYPES[field.dtype] for field in [*view.entity_columns, *view.features]}
    # Then
    held = {field.name: str(field.type) for field in table}
    assert held.pop("event_timestamp") == "timestamp[us, tz=UTC]"
    assert declared == held


def test_there_is_a_view_for_every_table_and_a_table_for_every_view() -> None:
    assert {f"{view.name}.parquet" for view in VIEWS} == set(TABLES) - {EXAMPLES, OUTCOMES}


def test_the_keys_of_all_views_are_asked_for() -> None:
    assert {column.name for view in VIEWS for column in view.entity_columns} == set(KEYS)


def test_request_fields_are_no_entity_keys() -> None:
    # A name that is both would be taken from the request only, and the look-up would lose its key.
    fields = {field.name for field in definitions.request.schema}
    assert fields.isdisjoint(KEYS)


def test_the_service_names_each_input_once() -> None:
    names = [field.name for view in SERVICE.feature_view_projections for field in view.features]
    assert len(names) == len(set(names))
    assert set(names).isdisjoint({*KEYS, *(field.name for field in definitions.request.schema)})


@pytest.mark.parametrize("name", ["aircraft_legs", "flight_history"])
def test_a_ttl_expires_on_real_flights(name: str, days: Path) -> None:
    # Given the newest row of each key at the last instant of the days
    view = getattr(definitions, name)
    keys = [column.name for column in view.entity_columns]
    newest = pd.read_parquet(days / f"{name}.parquet").groupby(keys)["event_timestamp"].max()
    last = newest.max()
    # When
    expired = newest < last - view.ttl
    # Then (two weeks are longer than the days that this test has)
    assert expired.any() == (view.ttl < timedelta(days=10))


def test_every_ttl_is_positive_but_that_of_facts() -> None:
    assert {view.name for view in VIEWS if not view.ttl} == {
        "aircraft_facts",
        "carrier_facts",
        "origin_facts",
        "destination_facts",
    }


def test_every_instant_asked_about_finds_its_origin_fresh(days: Path) -> None:
    # When joining each example with the newest row of its origin
    query = """
        SELECT count(*) AS asked, count(*) FILTER (e.event_timestamp - o.event_timestamp < INTERVAL 5 MINUTE)
        FROM read_parquet(?) e ASOF LEFT JOIN read_parquet(?) o
        ON e.origin = o.origin AND e.event_timestamp >= o.event_timestamp
    """
    parameters = [str(days / EXAMPLES), str(days / "origin_operations.parquet")]
    asked, fresh = duckdb.execute(query, parameters).fetchone() or (0, 0)
    # Then
    assert asked == fresh > 0


def test_the_prediction_instant_is_two_hours_ahead(days: Path) -> None:
    examples = pd.read_parquet(days / EXAMPLES)
    ahead = examples["scheduled_departure"] - examples["event_timestamp"]
    assert (ahead == timedelta(minutes=HORIZON_MINUTES)).all()
