"""Keys as numbers, and the newest row found among them, against the plainest possible search."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.offline.asof_sql import CODE, connect_utc
from features.offline.keys import Whole, encode_keys, try_encode
from features.offline.newest import NOTHING, drop_expired, newest_rows
from tests.features.offline_world import LEVEL, NOON, ROWS, ask, levels, open_world

codes = st.integers(0, 3)
moments = st.integers(-3, 6)
rows = st.lists(st.tuples(codes, moments, moments), max_size=20)
asks = st.lists(st.tuples(codes, moments), max_size=12)


def whole(values: list[int]) -> Whole:
    return np.array(values, dtype=np.int64)


def search_plainly(known: list[tuple[int, int, int]], code: int, instant: int) -> int:
    """The last of the greatest (event, creation, place) of the code until the instant."""
    until = [(event, created, i) for i, (key, event, created) in enumerate(known) if key == code]
    return max((row for row in until if row[0] <= instant), default=(0, 0, NOTHING))[2]


@given(known=rows, asked=asks)
def test_the_newest_row_is_found_and_of_ties_the_last_created_then_the_last_in_place(
    known: list[tuple[int, int, int]], asked: list[tuple[int, int]]
) -> None:
    keys, events, created = (whole([row[i] for row in known]) for i in range(3))
    times = [events, created, whole(list(range(len(known))))]
    found = newest_rows(keys, times, whole([a[0] for a in asked]), whole([a[1] for a in asked]))
    assert found.tolist() == [search_plainly(known, *each) for each in asked]


def test_a_row_exactly_as_old_as_its_time_to_live_is_kept() -> None:
    found = drop_expired(whole([0, 0, NOTHING]), whole([10]), whole([15, 16, 10]), ttl=5)
    assert found.tolist() == [0, NOTHING, NOTHING]


@given(
    pairs=st.lists(st.tuples(st.none() | st.sampled_from("ab"), st.none() | st.integers(0, 2)), max_size=9)
)
def test_a_code_stands_for_one_set_of_keys(pairs: list[tuple[str | None, int | None]]) -> None:
    table = pa.table(
        {
            "site": pa.array([p[0] for p in pairs], pa.string()),
            "number": pa.array([p[1] for p in pairs], pa.int64()),
        }
    )
    encoded = encode_keys(table, ["site", "number"])
    stands_for = {row[CODE]: (row["site"], row["number"]) for row in encoded.table.to_pylist()}
    assert [stands_for[code] for code in encoded.asked.tolist()] == pairs
    assert sorted(stands_for) == list(range(len(set(pairs))))


@pytest.mark.parametrize("kind", [pa.null(), pa.dictionary(pa.int32(), pa.string())])
def test_keys_without_values_or_in_categories_have_codes(kind: pa.DataType) -> None:
    encoded = encode_keys(pa.table({"device": pa.array([None, None], kind)}), ["device"])
    assert encoded.asked.tolist() == [0, 0]


def test_keys_that_arrow_cannot_compare_have_no_codes() -> None:
    assert try_encode(pa.table({"device": pa.array([bytes(16)], pa.uuid())}), ["device"]) is None


def test_without_keys_all_rows_ask_for_the_same() -> None:
    encoded = encode_keys(pa.table({"device": ["a", "b"]}), [])
    assert (encoded.asked.tolist(), encoded.table.to_pylist()) == ([0, 0], [{CODE: 0}])


def test_rows_keyed_by_what_arrow_cannot_compare_are_joined_all_the_same(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "levels.parquet")
    asked = ask(("a", NOON), ("b", NOON), ("c", NOON))
    viewed = asked.astype({"device": pd.ArrowDtype(pa.string_view())})
    assert levels(open_world(tmp_path).get_historical_features(viewed, LEVEL)) == [1, 4, None]


def test_a_reading_at_an_infinite_time_is_never_known(tmp_path: Path) -> None:
    path = tmp_path / "levels.parquet"
    with connect_utc() as connection:
        connection.register("rows", ROWS)
        infinite = "SELECT * REPLACE ('-infinity'::TIMESTAMPTZ AS \"at\", 9.0 AS level) FROM rows"
        connection.execute(f"COPY (FROM rows UNION ALL ({infinite})) TO '{path}'")
    assert levels(open_world(tmp_path).get_historical_features(ask(("a", NOON)), LEVEL)) == [1]
