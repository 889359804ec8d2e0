"""The training set: only labels known by then, features of the instant, and typed refusals."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import TableMissingError
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import START
from tests.training.conftest import AFTER_THE_SHIFT, BEFORE_THE_SHIFT, TrainedWorld
from training.dataset import TrainingSet, assemble, build_training_set, validate_training_set
from training.errors import DatasetError, EmptyWindowError, SingleClassError
from training.fitting import divide_into_windows, shuffle_training_labels
from training.ranking.data import read_ranking_data
from training.settings import TrainingSettings


@pytest.fixture(scope="module")
def training_set(world: TrainedWorld) -> TrainingSet:
    return build_training_set(world.settings.features, PROBLEM, BEFORE_THE_SHIFT)


def changed(training_set: TrainingSet, **columns: Any) -> TrainingSet:
    return replace(training_set, frame=training_set.frame.assign(**columns))


def test_only_labels_that_had_arrived_are_there(training_set: TrainingSet) -> None:
    assert (training_set.frame["known_at"] <= BEFORE_THE_SHIFT).all()
    # the hour before `as_of` has examples, but nobody had counted yet
    assert training_set.instants.max() == BEFORE_THE_SHIFT - timedelta(hours=2)
    assert training_set.instants.is_monotonic_increasing


def test_features_are_those_of_the_instant(training_set: TrainingSet) -> None:
    # given one dock's rows, whose demand of the last hour is the ride count of two examples before
    rows = training_set.frame[training_set.frame["station"] == "quay"]
    np.testing.assert_array_equal(rows["rides_last_hour"].to_numpy()[2:], rows["rides"].to_numpy()[:-2])


def test_the_fingerprint_follows_the_content(world: TrainedWorld, training_set: TrainingSet) -> None:
    again = build_training_set(world.settings.features, PROBLEM, BEFORE_THE_SHIFT)
    assert again.fingerprint == training_set.fingerprint
    for column in ("rides", "rides_last_hour", "district", "event_timestamp"):
        other: Any = training_set.frame.copy()
        other.loc[5, column] = other.loc[9, column] if column != "district" else "elsewhere"
        if column == "event_timestamp":
            other.loc[5, column] += timedelta(minutes=1)
        assert (
            assemble(PROBLEM, other, training_set.columns, BEFORE_THE_SHIFT).fingerprint != again.fingerprint
        )


def test_what_is_delivered_twice_counts_once(settings: TrainingSettings, training_set: TrainingSet) -> None:
    for name in ("examples", "outcomes"):
        table = settings.features.tables / f"{name}.parquet"
        rows = pd.read_parquet(table)
        pd.concat([rows, rows.iloc[:500]]).to_parquet(table, index=False, coerce_timestamps="us")
    again = build_training_set(settings.features, PROBLEM, BEFORE_THE_SHIFT)
    assert again.fingerprint == training_set.fingerprint


def test_examples_of_any_age_are_learned_from(settings: TrainingSettings, training_set: TrainingSet) -> None:
    # given an example from 1901, whose label has long been known
    old = pd.Timestamp("1901-03-01T08:00:00Z").as_unit("us")
    for name in ("examples", "outcomes"):
        table = settings.features.tables / f"{name}.parquet"
        rows = pd.read_parquet(table)
        first = rows.iloc[[0]].assign(
            example_id="old", **{"known_at" if name == "outcomes" else "event_timestamp": old}
        )
        pd.concat([first, rows]).to_parquet(table, index=False, coerce_timestamps="us")
    # when the set is built, and when features are ranked on such sets
    found = build_training_set(settings.features, PROBLEM, BEFORE_THE_SHIFT)
    ranked = read_ranking_data(settings, PROBLEM, BEFORE_THE_SHIFT, BEFORE_THE_SHIFT, rows=10**6)
    # then it is there, beside all the others
    for frame in (found.frame, ranked.training_set.frame):
        assert frame["example_id"].iloc[0] == "old"
        assert len(frame) == len(training_set.frame) + 1


def test_a_valid_set_passes_unchanged(training_set: TrainingSet) -> None:
    assert validate_training_set(training_set, PROBLEM) is training_set


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("rides_last_hour", np.inf, "finite"),
        ("rides_last_hour", np.nan, "mostly_present"),
        ("rides_last_hour", "many", "rides_last_hour"),
        ("district", 7, "text"),
        ("rides", np.inf, "finite"),
        ("example_id", "same", "example_id"),
        ("known_at", pd.Timestamp(AFTER_THE_SHIFT), "known_by_as_of"),
    ],
)
def test_a_broken_column_is_named(training_set: TrainingSet, column: str, value: object, named: str) -> None:
    with pytest.raises(DatasetError, match=named) as caught:
        validate_training_set(changed(training_set, **{column: value}), PROBLEM)
    assert column in str(caught.value)


def test_rows_out_of_order_are_refused(training_set: TrainingSet) -> None:
    backwards = replace(training_set, frame=training_set.frame.iloc[::-1])
    with pytest.raises(DatasetError, match="ascending"):
        validate_training_set(backwards, PROBLEM)


def test_an_empty_period_says_so(world: TrainedWorld) -> None:
    with pytest.raises(EmptyWindowError, match="choose a later as_of"):
        build_training_set(world.settings.features, PROBLEM, START)


def test_too_short_a_history_names_the_window(world: TrainedWorld) -> None:
    early = build_training_set(world.settings.features, PROBLEM, START + timedelta(days=4))
    with pytest.raises(EmptyWindowError, match="fit window"):
        divide_into_windows(early, PROBLEM)


def test_a_naive_moment_is_refused(world: TrainedWorld) -> None:
    with pytest.raises(DatasetError, match="has no zone"):
        build_training_set(world.settings.features, PROBLEM, datetime(2024, 4, 1))  # noqa: DTZ001


def test_missing_tables_say_how_to_build_them(settings: TrainingSettings) -> None:
    (settings.features.tables / "outcomes.parquet").unlink()
    with pytest.raises(TableMissingError, match="python -m features build"):
        build_training_set(settings.features, PROBLEM, BEFORE_THE_SHIFT)


def test_an_unknown_slice_is_refused(training_set: TrainingSet) -> None:
    problem = PROBLEM.model_copy(update={"slices": ("colour",)})
    with pytest.raises(DatasetError, match="colour"):
        assemble(problem, training_set.frame, training_set.columns, BEFORE_THE_SHIFT)


def test_one_class_is_refused_overall_and_per_window(training_set: TrainingSet) -> None:
    binary = PROBLEM.model_copy(update={"task": "binary"})
    with pytest.raises(SingleClassError, match="training set"):
        validate_training_set(changed(training_set, rides=1.0), binary)
    # given both classes overall, but only one in the last days
    instants = training_set.instants
    late = (instants >= BEFORE_THE_SHIFT - PROBLEM.windows.gate).to_numpy()
    mixed = np.where(late, 1.0, np.arange(len(instants)) % 2)
    validated = validate_training_set(changed(training_set, rides=mixed), binary)
    with pytest.raises(SingleClassError, match="gate window"):
        divide_into_windows(validated, binary)


def test_shuffling_leaves_the_gate_window_alone(training_set: TrainingSet) -> None:
    windowed = divide_into_windows(training_set, PROBLEM)
    shuffled = shuffle_training_labels(windowed, seed=1)
    np.testing.assert_array_equal(shuffled.data["gate"].label, windowed.data["gate"].label)
    for name in ("fit", "early_stopping", "calibration"):
        assert not np.array_equal(shuffled.data[name].label, windowed.data[name].label)
        assert sorted(shuffled.data[name].label) == sorted(windowed.data[name].label)
