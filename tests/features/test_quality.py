"""A table that breaks its schema is refused by name, and nothing is replaced."""

from collections.abc import Callable
from pathlib import Path

import ibis
import pandas as pd
import pytest

from features.build import TABLES, Sources, build_tables
from features.errors import TableQualityError
from features.quality import SCHEMAS, check_table
from features.raw import RawTables

OPERATIONS, EXAMPLES, OUTCOMES = "origin_operations.parquet", "examples.parquet", "outcomes.parquet"


def test_every_table_has_a_schema_and_passes(days: Path) -> None:
    assert set(SCHEMAS) == set(TABLES) == {path.name for path in days.iterdir()}
    for name in SCHEMAS:
        check_table(name, pd.read_parquet(days / name))


@pytest.mark.parametrize(
    ("name", "spoil", "column"),
    [
        (OPERATIONS, lambda table: table.assign(backlog=-1.0), "backlog"),
        (OPERATIONS, lambda table: table.assign(backlog=float("nan")), "backlog"),
        (OPERATIONS, lambda table: table.assign(backlog_share=1.5), "backlog_share"),
        (OPERATIONS, lambda table: table.drop(columns="departures_2h"), "departures_2h"),
        (OPERATIONS, lambda table: table.assign(surprise=1.0), "surprise"),
        (OPERATIONS, lambda table: pd.concat([table, table.head(1)], ignore_index=True), "event_timestamp"),
        (
            OPERATIONS,
            lambda table: table.assign(event_timestamp=table["event_timestamp"].dt.tz_localize(None)),
            "event_timestamp",
        ),
        (EXAMPLES, lambda table: pd.concat([table, table.head(1)], ignore_index=True), "example_id"),
        (EXAMPLES, lambda table: table.assign(scheduled_arrival=table["event_timestamp"]), "arrives_after"),
        (OUTCOMES, lambda table: table.assign(arr_delay=0.0), "known_together"),
    ],
)
def test_a_broken_table_is_refused(
    days: Path, name: str, spoil: Callable[[pd.DataFrame], pd.DataFrame], column: str
) -> None:
    # Given
    broken = spoil(pd.read_parquet(days / name))
    # When
    with pytest.raises(TableQualityError, match=name) as refused:
        check_table(name, broken)
    # Then
    assert column in str(refused.value)


def test_a_broken_table_leaves_all_earlier_tables(raw_days: RawTables, tmp_path: Path) -> None:
    # Given earlier tables, and a builder that goes wrong in the middle of the build
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in TABLES:
        (tables / name).write_bytes(b"of an earlier build")

    def lose_a_column(sources: Sources) -> ibis.Table:
        return TABLES["weather.parquet"](sources).drop("temp")

    # When
    with pytest.raises(TableQualityError, match=r"weather\.parquet"):
        build_tables(raw_days, tables, {**TABLES, "weather.parquet": lose_a_column})

    # Then
    assert {path.read_bytes() for path in tables.iterdir()} == {b"of an earlier build"}
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
