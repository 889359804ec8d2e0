"""Which rows of a rollout count: one for each time that the split drew an arm for a caller."""

import numpy as np
import pandas as pd
import pytest

from inference.rollout.draws import first_of_each_draw

SHARES = (0.2, 0.6)


def rows_of(*rows: tuple[str, float, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["unit", "position", "step"])


def counted(*rows: tuple[str, float, int]) -> list[tuple[int, float]]:
    draws = first_of_each_draw(rows_of(*rows), SHARES)
    return list(zip(draws.index, draws["share"].round(6), strict=True))


def test_a_caller_who_comes_back_at_the_same_step_counts_once() -> None:
    assert counted(("a", 0.9, 0), ("a", 0.9, 0), ("b", 0.1, 0), ("a", 0.9, 0)) == [(0, 0.2), (2, 0.2)]


def test_the_next_step_draws_among_the_callers_that_the_champion_still_had() -> None:
    assert counted(("mine", 0.1, 0), ("theirs", 0.5, 0), ("mine", 0.1, 1), ("theirs", 0.5, 1)) == [
        (0, 0.2),
        (1, 0.2),
        (3, 0.5),
    ]


def test_what_becomes_known_after_a_later_step_is_not_counted_again() -> None:
    assert counted(("a", 0.9, 1), ("a", 0.9, 0), ("a", 0.9, 1)) == [(0, 0.6)]


def test_no_rows_make_no_draws() -> None:
    assert first_of_each_draw(rows_of().astype({"position": float, "step": int}), SHARES).empty


def test_each_draws_share_is_how_often_the_challenger_has_it() -> None:
    random = np.random.default_rng(3)
    units = pd.DataFrame(
        {"unit": [f"u{number}" for number in range(4_000)], "position": random.random(4_000)}
    )
    rows = pd.concat([units.assign(step=step) for step in range(len(SHARES))], ignore_index=True)

    draws = first_of_each_draw(rows, SHARES)

    mine = draws["position"] < np.asarray(SHARES)[draws["step"]]
    for share, drawn in mine.groupby(draws["share"].round(6)):
        assert drawn.mean() == pytest.approx(share, abs=4 * (0.25 / len(drawn)) ** 0.5)
