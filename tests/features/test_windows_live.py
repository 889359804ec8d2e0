"""Any declaration means the same to the batch build and to the live state, however rows come and go."""

from typing import Any

import ibis
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features.windows.batch import build_windowed
from features.windows.live import NULL, RowColumns, WindowState
from features.windows.windowed_table import (
    Aggregation,
    Between,
    Feature,
    Moment,
    Reach,
    Span,
    Stream,
    Value,
    WindowedTable,
    at,
)

COLUMNS = ("scheduled", "ended", "size", "weight")
VALUES = (
    Value("size", "size"),
    Value("bounded", "size", low=-5, high=20),
    Value("difference", "size", minus="weight"),
    Value("heavy", where=(Between("weight", low=3),)),
    Value("size_of_light", "size", where=(Between("weight", below=3), Between("size", low=0, below=40))),
)
START, END = 10_000, 13_000
EXAMPLES = 30

minutes = st.integers(START, START + 400)
nullable = st.none() | st.integers(-60, 60)
rows = st.lists(
    st.tuples(
        st.sampled_from("abc"), minutes, st.none() | st.integers(START, START + 600), nullable, nullable
    ),
    min_size=1,
    max_size=25,
)


@st.composite
def tables(draw: Any) -> WindowedTable:
    windows = draw(st.dictionaries(st.sampled_from(["short", "long"]), st.integers(1, 90), min_size=1))
    aggregations = [Aggregation("number_{window}", "count")]
    for value in draw(st.lists(st.sampled_from(VALUES), unique=True)):
        how = draw(st.sampled_from(["sum", "mean", "share"]))
        aggregations.append(Aggregation(f"{value.name}_{how}_{{window}}", how, value))
    column = draw(st.sampled_from(["scheduled", "ended"]))
    stream = Stream("seen", at(column, draw(st.integers(-20, 20))), windows, tuple(aggregations))
    patience = draw(st.integers(1, 120))
    level = Span(
        "open",
        at("scheduled"),
        Moment((("ended", 0), ("scheduled", patience))),
        values=(Value("since", "scheduled"),),
    )
    grid = draw(st.sampled_from([1, 5, 10]))
    reach = draw(st.sampled_from([None, Reach("scheduled", 0), Reach("scheduled", 30)]))
    features = [Feature("open", "open"), Feature("wait", "open_since", per="open", age=True)]
    if reach is not None:
        features.append(Feature("open_everywhere", "open", over_all_keys=True))
    offset = draw(st.sampled_from([0, 540]))
    return WindowedTable("t", ("key",), grid, (stream,), (level,), tuple(features), offset, reach)


def to_columns(picked: pd.DataFrame, sign: int) -> RowColumns:
    numbers = {name: picked[name].fillna(NULL).to_numpy(np.int64) for name in COLUMNS}
    return RowColumns({"key": picked["key"].tolist()}, numbers, np.full(len(picked), sign, np.int64))


def relive(table: WindowedTable, frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Add the rows in random parts, advancing between them; take some back and add them again."""
    state = WindowState(table, depth=10_000)
    told: list[pd.DataFrame] = []
    for part in np.array_split(random.permutation(len(frame)), 4):
        wrong = frame.iloc[random.choice(len(frame), 2)]
        for picked, sign in ((wrong, 1), (frame.iloc[part], 1), (wrong, -1)):
            state.change(to_columns(picked, sign))
        rows = state.advance(int(random.integers(START, START + 700)))
        told += [] if rows is None else [rows]
    rows = state.advance(END)
    told += [] if rows is None else [rows]
    every = pd.concat(told) if told else pd.DataFrame(columns=["key", "event_timestamp", *table.columns])
    return every.drop_duplicates(["key", "event_timestamp"], keep="last")


def in_order(frame: pd.DataFrame, like: list[str]) -> pd.DataFrame:
    return frame[like].sort_values(["event_timestamp", "key"], ignore_index=True)


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(table=tables(), given_rows=rows, seed=st.integers(0, 2**32 - 1))
def test_live_rows_are_the_built_rows(table: WindowedTable, given_rows: list[Any], seed: int) -> None:
    # Given
    frame = pd.DataFrame(given_rows, columns=["key", *COLUMNS])
    frame = frame.astype(dict.fromkeys(COLUMNS, "Int64"))

    # When
    built = build_windowed(ibis.memtable(frame), table).execute()
    told = relive(table, frame, np.random.default_rng(seed))

    # Then every built row was told, with its numbers
    columns = ["key", "event_timestamp", *table.columns]
    built, told = in_order(built, columns), in_order(told, columns)
    keys = ["key", "event_timestamp"]
    told = told.astype({"event_timestamp": built["event_timestamp"].dtype})
    assert built[keys].merge(told[keys], on=keys).shape == built[keys].shape
    kept = told.merge(built[keys], on=keys)
    pd.testing.assert_frame_equal(kept, built, check_exact=True, check_dtype=False)
