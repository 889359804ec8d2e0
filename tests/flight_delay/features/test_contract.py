"""Examples and labels are read by time: nothing outside the window, no label before it was known."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.contract import read_examples, read_ingested_labels, read_labels
from features.errors import ContradictionError, TableMissingError
from tests.flight_delay.features.conftest import END, START

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


def labels_of(
    folder: Path, *rows: tuple[str, float | None, int], as_of: int = 9
) -> dict[str, tuple[bool, int]]:
    """The label of each example and the day of its `known_at`, of outcomes `(id, delay, day)`."""
    frame = pd.DataFrame(rows, columns=["example_id", "arr_delay", "day"])
    frame["known_at"] = (pd.Timestamp(START) + frame.pop("day") * DAY).astype("datetime64[us, UTC]")
    frame.to_parquet(folder / "outcomes.parquet", index=False)
    read = read_labels(folder, Late(), START + as_of * DAY)
    assert read["example_id"].is_unique
    days = (read["known_at"] - pd.Timestamp(START)).dt.days
    return dict(zip(read["example_id"], zip(read["late"].astype(bool), days, strict=True), strict=True))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 20, 1), ("a", 20, 1)], (True, 1)),  # delivered twice
        ([("a", 20, 1), ("a", 30, 3)], (True, 1)),  # again, with the same label
        ([("a", 20, 1), ("a", 5, 3)], (False, 3)),  # corrected
        ([("a", 5, 3), ("a", 20, 1)], (False, 3)),  # in the file the other way around
        ([("a", 20, 1), ("a", 5, 3), ("a", 20, 11)], (False, 3)),  # corrected back after the moment
        ([("a", 20, 1), ("a", 5, 1), ("a", 5, 3)], (False, 1)),  # contradicted once, decided since
        ([("a", None, 1), ("a", 5, 1)], (False, 1)),  # delivered empty first
        ([("a", 20, 1), ("a", None, 3)], None),  # taken back
    ],
)
def test_the_latest_label_that_was_known_counts_once(
    tmp_path: Path, rows: list[tuple[str, float | None, int]], expected: tuple[bool, int] | None
) -> None:
    labels = labels_of(tmp_path, *rows, ("other", 20, 2))
    assert labels == {"other": (True, 2)} | ({} if expected is None else {"a": expected})


def test_labels_of_one_moment_that_differ_are_named(tmp_path: Path) -> None:
    with pytest.raises(ContradictionError, match="2 example_id, such as a, b; keep one"):
        labels_of(
            tmp_path, ("a", 20, 1), ("a", 5, 1), ("b", 5, 2), ("b", 20, 2), ("fine", 5, 1), ("fine", 5, 1)
        )


def test_an_example_that_is_delivered_twice_counts_once(days: Path, tmp_path: Path) -> None:
    examples = read_examples(days, START, END)
    pd.concat([examples, examples.tail(3)]).to_parquet(tmp_path / "examples.parquet", index=False)
    pd.testing.assert_frame_equal(read_examples(tmp_path, START, END), examples)
    # whereas nothing says which of two that differ is right
    moved = examples.tail(1).assign(distance=-1.0)
    pd.concat([examples, moved]).to_parquet(tmp_path / "examples.parquet", index=False)
    with pytest.raises(ContradictionError, match=str(moved["example_id"].iloc[0])):
        read_examples(tmp_path, START, END)


INSTANTS = ("event_timestamp", "known_at", "ingested_at", "scheduled_departure", "scheduled_arrival")


@pytest.mark.parametrize("place", ["{}", "{}/0.parquet"])
@pytest.mark.parametrize("resolution", ["s", "ns"])
def test_instants_are_read_in_any_resolution(days: Path, tmp_path: Path, resolution: str, place: str) -> None:
    # given tables as pandas writes them by default, and of a folder one file more in microseconds
    for name in ("examples.parquet", "outcomes.parquet"):
        rows = pd.read_parquet(days / name)
        if name == "outcomes.parquet":
            rows["ingested_at"] = rows["known_at"]
        written = tmp_path / place.format(name)
        written.parent.mkdir(exist_ok=True)
        cut = len(rows) // 2 if "/" in place else 0
        if cut:
            rows.head(cut).to_parquet(written.with_name("1.parquet"))
        found = {name: f"datetime64[{resolution}, UTC]" for name in INSTANTS if name in rows}
        rows.tail(len(rows) - cut).astype(found).to_parquet(written)
    # when
    examples, labels = read_examples(tmp_path, START, END), read_ingested_labels(tmp_path, Late(), END)
    # then
    pd.testing.assert_frame_equal(examples, read_examples(days, START, END))
    pd.testing.assert_frame_equal(labels, read_ingested_labels(days, Late(), END))
