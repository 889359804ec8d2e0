"""The SQL of the as-of join: each file is read once, names are quoted, only what can matter is read."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.offline.asof_sql import (
    CODE,
    ENTITY_TABLE,
    INSTANT,
    KEY_TABLE,
    ROW,
    AsOfSource,
    SourceColumn,
    Span,
    asof_rows,
    connect_utc,
    found_rows,
    held_rows,
)
from features.timestamps import to_microseconds
from tests.features.offline_world import HOUR, NOON, ROWS

LEVEL = SourceColumn("level", "level")
DEVICE = SourceColumn("device", "device")
ASKED = pd.DataFrame(
    {ROW: [0, 1], INSTANT: [to_microseconds(NOON), to_microseconds(NOON + HOUR)], "device": "a"}
)


def make_source(path: Path, **changes: object) -> AsOfSource:
    parts = {"keys": (DEVICE,), "columns": (LEVEL,), "timestamp": "at", "created": "created", "ttl": None}
    return AsOfSource(path=str(path), **(parts | changes))  # type: ignore[arg-type]


def answer(source: AsOfSource, span: Span | None = None) -> list[float | None]:
    with connect_utc() as connection:
        connection.register(ENTITY_TABLE, ASKED)
        return [level for _, level in sorted(connection.execute(found_rows(source, span)).fetchall())]


@pytest.mark.parametrize("changes", [{"created": None}, {}, {"known_only": True}])
def test_a_file_is_read_once_so_that_a_new_one_cannot_mix_with_it(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "levels.parquet"
    ROWS.to_parquet(path)
    with connect_utc() as connection:
        connection.register(ENTITY_TABLE, ASKED)
        query = asof_rows(make_source(path, **changes), expire=True)
        plan = str(connection.execute(f"EXPLAIN {query}").fetchall())
    assert plan.count("READ_PARQUET") == 1


def test_a_file_that_is_held_is_read_once_too(tmp_path: Path) -> None:
    path = tmp_path / "levels.parquet"
    ROWS.to_parquet(path)
    with connect_utc() as connection:
        connection.register(KEY_TABLE, pd.DataFrame({"device": ["a"], CODE: [0]}))
        plan = str(connection.execute(f"EXPLAIN {held_rows(make_source(path), None)}").fetchall())
    assert plan.count("READ_PARQUET") == 1


def test_awkward_names_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s "here".parquet'
    renamed = {"level": 'the "level"', "device": "select", "at": "at; --", "created": "from"}
    ROWS.rename(columns=renamed).to_parquet(path)
    source = make_source(
        path,
        keys=(SourceColumn("select", "device"),),
        columns=(SourceColumn('the "level"', "it's"),),
        timestamp="at; --",
        created="from",
    )
    assert answer(source) == [1, 3]


@pytest.mark.parametrize("ttl", [None, timedelta.max, timedelta(hours=1), timedelta(microseconds=1)])
def test_the_span_changes_no_answer(tmp_path: Path, ttl: timedelta | None) -> None:
    path = tmp_path / "levels.parquet"
    ROWS.to_parquet(path)
    source = make_source(path, ttl=ttl)
    span = Span(to_microseconds(NOON), to_microseconds(NOON + HOUR))
    assert answer(source, span) == answer(source) == [1, 3]


def test_parquets_own_statistics_skip_what_lies_outside_the_span(tmp_path: Path) -> None:
    path = tmp_path / "levels.parquet"
    ROWS.to_parquet(path)
    with connect_utc() as connection:
        connection.register(ENTITY_TABLE, ASKED)
        span = Span(to_microseconds(NOON), to_microseconds(NOON))
        plan = connection.execute(f"EXPLAIN {found_rows(make_source(path), span)}").fetchall()
    scanned = str(plan[0][1]).split("READ_PARQUET")[1]
    assert "Filters:" in scanned
    assert "at <= '2024-03-01 12:00:00+00'" in scanned


@pytest.mark.parametrize("changes", [{"created": None}, {}, {"known_only": True}])
def test_a_row_exactly_as_old_as_its_ttl_is_the_last_that_counts(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "levels.parquet"
    ROWS.to_parquet(path)
    last = to_microseconds(NOON + 5 * HOUR)
    asked = pd.DataFrame({ROW: [0, 1], INSTANT: [last, last + 1], "device": "a"})
    with connect_utc() as connection:
        connection.register(ENTITY_TABLE, asked)
        source = make_source(path, ttl=4 * HOUR, **changes)
        assert connection.execute(found_rows(source)).fetchall() == [(0, 3)]
