"""Running totals against a count by hand at every instant."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest

from features.windows.running_totals import per, running_totals, steps

GRID, WINDOW = 10, 60


@pytest.fixture
def events() -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "key": random.choice(["a", "b"], 200),
            "at": random.integers(1_000, 3_000, 200),
            "value": random.integers(-20, 100, 200),
        }
    )


def totals_of(table: ir.Table) -> ir.Table:
    value = {"number": ibis.literal(1, "int64"), "total": table["value"]}
    return running_totals([steps(table, ["key"], table["at"], table["at"] + WINDOW, value, GRID)], ["key"])


def test_each_row_holds_what_is_inside_the_window(events: pd.DataFrame) -> None:
    # When
    totals = totals_of(ibis.memtable(events)).execute()

    # Then at every row the totals are those of the events known by then and not yet left
    known = np.ceil(events["at"] / GRID) * GRID
    left = np.ceil((events["at"] + WINDOW) / GRID) * GRID
    for row in totals.itertuples():
        inside = (events["key"] == row.key) & (known <= row.minute) & (left > row.minute)
        assert row.number == inside.sum()
        assert row.total == events.loc[inside, "value"].sum()


def test_a_window_that_runs_empty_says_so(events: pd.DataFrame) -> None:
    totals = totals_of(ibis.memtable(events)).execute()
    last = totals.sort_values("minute").groupby("key").tail(1)
    assert (last["number"] == 0).all()
    assert (last["total"] == 0).all()


def test_what_leaves_as_it_enters_changes_nothing() -> None:
    table = ibis.memtable(pd.DataFrame({"key": ["a", "a"], "at": [7, 18], "value": [1, 1]}))
    changes = steps(table, ["key"], table["at"], table["at"] - 5, {"total": table["value"]}, GRID)
    assert changes.count().execute() == 0


def test_a_mean_over_nothing_is_null() -> None:
    table = ibis.memtable(pd.DataFrame({"total": [6.0, 0.0], "number": [4.0, 0.0]}))
    means = table.select(mean=per(table["total"], table["number"])).to_pyarrow()["mean"].to_pylist()
    assert means == [1.5, None]
