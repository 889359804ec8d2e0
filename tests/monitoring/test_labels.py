"""Late labels meet logged predictions: by request id, by arrival, and never from the future."""

from datetime import timedelta

import pandas as pd
import pytest

from inference.prediction_log.label_join import KNOWN_AT, LABEL, join_labels
from monitoring.ml.windows.labels import (
    Window,
    measure_coverage,
    newly_labelled,
    span_to_read,
)
from tests.monitoring.orders import PROBLEM, START, WEEK

LABEL_SPEC = PROBLEM.label
WINDOW = Window(START, START + WEEK)


def predict(request_id: str, made: timedelta, **changes: str) -> dict[str, object]:
    return {
        "request_id": request_id,
        "prediction_time": START + made,
        "role": "champion",
        "model_version": "1",
    } | changes


def join(predictions: list[dict[str, object]], known: dict[str, timedelta]) -> pd.DataFrame:
    labels = pd.DataFrame(
        {
            "example_id": pd.Series(list(known), dtype=object),
            LABEL_SPEC.name: pd.Series([True] * len(known), dtype=bool),
            KNOWN_AT: pd.to_datetime([START + late for late in known.values()], utc=True),
        }
    )
    return join_labels(pd.DataFrame(predictions), labels, LABEL_SPEC)


def test_labels_join_on_the_request_id() -> None:
    joined = join(
        [predict("a", timedelta(hours=1)), predict("b", timedelta(hours=2))], {"b": timedelta(hours=9)}
    )

    assert joined.set_index("request_id")[LABEL].to_dict() == pytest.approx(
        {"a": float("nan"), "b": 1.0}, nan_ok=True
    )


def test_what_was_scored_unseen_is_no_answer_and_what_a_challenger_answered_is() -> None:
    made = timedelta(hours=1)
    joined = join(
        [predict("a", made), predict("a", made, role="shadow"), predict("c", made, role="challenger")], {}
    )

    assert joined["request_id"].tolist() == ["a", "c"]


def test_a_label_counts_in_the_window_in_which_it_arrives() -> None:
    before = timedelta(hours=-5)
    joined = join(
        [predict("old", before), predict("new", timedelta(days=1)), predict("late", timedelta(days=6))],
        {"old": timedelta(hours=3), "new": timedelta(days=2), "late": timedelta(days=8)},
    )

    this_week = newly_labelled(joined, WINDOW, "1")
    next_week = newly_labelled(joined, Window.ending(WINDOW.end + WEEK, WEEK), "1")

    assert this_week["request_id"].tolist() == ["old", "new"]
    assert next_week["request_id"].tolist() == ["late"]


def test_only_the_champions_own_predictions_measure_its_quality() -> None:
    joined = join(
        [predict("mine", timedelta(days=1)), predict("former", timedelta(days=1), model_version="0")],
        {"mine": timedelta(days=2), "former": timedelta(days=2)},
    )

    assert newly_labelled(joined, WINDOW, "1")["request_id"].tolist() == ["mine"]


def test_coverage_tells_a_label_that_may_still_come_from_one_that_is_overdue() -> None:
    fresh, old = WEEK - timedelta(hours=2), timedelta(hours=-2)
    joined = join(
        [predict("fresh", fresh), predict("old", old), predict("known", timedelta(days=1))],
        {"known": timedelta(days=2)},
    )

    coverage = measure_coverage(joined, WINDOW, LABEL_SPEC)

    assert (coverage.sample, coverage.labelled) == (2, 1)
    assert (coverage.due, coverage.overdue) == (2, 1)
    assert coverage.overdue_share == 0.5


def test_an_empty_window_has_no_shares() -> None:
    joined = join([predict("other", timedelta(days=30))], {})

    coverage = measure_coverage(joined, WINDOW, LABEL_SPEC)

    assert (coverage.labelled_share, coverage.overdue_share) == (0.0, 0.0)


def test_what_is_read_reaches_back_as_far_as_labels_may_be_late() -> None:
    span = span_to_read(WINDOW, LABEL_SPEC)

    assert (span.start, span.end) == (WINDOW.start - LABEL_SPEC.due_within, WINDOW.end)


def test_a_label_that_arrives_between_two_windows_counts_in_the_later_one_only() -> None:
    joined = join([predict("seam", timedelta(days=6))], {"seam": WEEK})
    later = Window.ending(WINDOW.end + WEEK, WEEK)

    assert [len(newly_labelled(joined, window, "1")) for window in (WINDOW, later)] == [0, 1]


def test_a_label_that_is_there_twice_is_refused() -> None:
    twice = {"example_id": ["a", "a"], LABEL_SPEC.name: [True, True], KNOWN_AT: [pd.Timestamp(START)] * 2}

    with pytest.raises(pd.errors.MergeError):
        join_labels(pd.DataFrame([predict("a", timedelta(hours=1))]), pd.DataFrame(twice), LABEL_SPEC)
