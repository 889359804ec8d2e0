"""Examples and labels are read by time: nothing outside the window, no label before it was known."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.contract import read_examples, read_labels
from features.errors import TableMissingError
from tests.features.conftest import END, START

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Late:
    name: str = "late"
    expression: str = "arr_delay >= 15"


def test_examples_are_those_of_the_window_in_order(days: Path) -> None:
    # When
    examples = read_examples(days, START + DAY, START + 2 * DAY)

    # Then
    assert len(examples) > 500
    assert examples["event_timestamp"].min() >= START + DAY
    assert examples["event_timestamp"].max() < START + 2 * DAY
    assert examples["example_id"].is_unique
    ordered = examples.sort_values(["event_timestamp", "example_id"])
    pd.testing.assert_frame_equal(examples, ordered)
    assert (examples["scheduled_departure"] - examples["event_timestamp"] == timedelta(hours=2)).all()


def test_windows_that_touch_share_nothing_and_lose_nothing(days: Path) -> None:
    parts = [read_examples(days, START + n * DAY, START + (n + 1) * DAY) for n in range(-1, 11)]
    whole = read_examples(days, START - DAY, END)
    assert sum(len(part) for part in parts) == len(whole)


def test_labels_are_only_those_that_had_arrived(days: Path) -> None:
    # Given a moment in the middle
    as_of = START + 5 * DAY

    # When
    labels, later = read_labels(days, Late(), as_of), read_labels(days, Late(), END)

    # Then
    assert list(labels.columns) == ["example_id", "late", "known_at"]
    assert (labels["known_at"] <= as_of).all()
    assert labels["late"].notna().all()
    assert set(later.loc[later["known_at"] <= as_of, "example_id"]) == set(labels["example_id"])


def test_what_never_arrived_has_no_label(days: Path) -> None:
    outcomes = pd.read_parquet(days / "outcomes.parquet")
    unknown = outcomes.loc[outcomes["arr_delay"].isna(), "example_id"]
    labels = read_labels(days, Late(), END + 30 * DAY)
    assert len(unknown) > 100
    assert not labels["example_id"].isin(unknown).any()


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(TableMissingError, match="python -m features build"):
        read_examples(tmp_path, START, END)
    with pytest.raises(TableMissingError, match="outcomes"):
        read_labels(tmp_path, Late(), END)
