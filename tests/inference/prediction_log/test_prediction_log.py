"""The log holds each answer once, through retries, sealing, crashes and changes of the model's inputs."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from features.schema.feature_column import FeatureColumn
from features.settings import Settings
from inference.prediction_log.background_compaction import SMALL_BYTES
from inference.prediction_log.compaction import to_table, write_parts
from inference.prediction_log.errors import (
    RequestIdReusedError,
)
from inference.prediction_log.idempotency import answer_of
from inference.prediction_log.reader import read_predictions, read_shadows
from inference.prediction_log.schema import (
    RETRY_WINDOW,
    arrow_schema,
    feature_types,
    log_folder,
)
from inference.prediction_log.segment import (
    GIVEN,
    Layout,
    Segment,
    read_segment,
    segments,
)
from tests.inference.bulk_log import append_batch
from tests.inference.bundles import COLUMNS
from tests.inference.logged_lines import (
    DAY,
    LAYOUT,
    VALUES,
    entry,
    open_log,
    read_ids,
    sealed_files,
    with_features,
)
from tests.inference.parking import PROBLEM
from tests.inference.running import wait_until


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def test_an_appended_prediction_is_read_before_and_after_sealing(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a"), entry("b", DAY + timedelta(days=1))], LAYOUT)

    unsealed = read_predictions(settings, DAY, DAY + timedelta(days=2))
    log.close()
    sealed = read_predictions(settings, DAY, DAY + timedelta(days=2))

    pd.testing.assert_frame_equal(unsealed, sealed)
    assert [path.parent.name for path in sealed_files(settings)] == ["date=2024-05-01", "date=2024-05-02"]
    assert segments(log_folder(settings)) == []
    assert sealed.columns.tolist() == arrow_schema(COLUMNS, PROBLEM).names
    row = sealed.iloc[0]
    assert row["key.opens_at"] == pd.Timestamp("2024-05-01T13:00Z")
    assert (row["status.trend"], row["age.cars"], row["feature.district"]) == ("missing", 60.0, "hill")
    assert np.isnan(row["feature.trend"])


@pytest.mark.parametrize("is_sealed", [False, True])
def test_statuses_and_ages_that_are_left_out_are_read_back(settings: Settings, is_sealed: bool) -> None:
    log = open_log(settings)
    whole = with_features(entry("whole"), (1.0, 2.0, 3.0, "hill", 4.0, 5.0))
    whole = replace(whole, statuses=(), ages=())
    lines = log.append([whole, entry("other")], LAYOUT)
    if is_sealed:
        log.close()

    rows = read_predictions(settings, DAY, DAY + timedelta(days=1)).set_index("request_id")
    names = [name for name, _ in LAYOUT.features]
    assert set(rows.loc["whole", [f"status.{name}" for name in names]]) == {"present"}
    assert rows.loc["whole", [f"age.{name}" for name in names]].isna().all()
    assert (rows.loc["other", "status.trend"], rows.loc["other", "age.cars"]) == ("missing", 60.0)
    answers = [answer_of(line, LAYOUT) for line in lines]
    assert (answers[0].missing, answers[0].stale, answers[0].degraded) == ((), (), False)
    assert answers[1].missing == ("trend",)


def test_the_window_is_half_open(settings: Settings) -> None:
    open_log(settings).append([entry("in", DAY), entry("out", DAY + timedelta(days=1))], LAYOUT)

    assert read_ids(settings) == ["in"]
    assert read_ids(settings, DAY - timedelta(days=1)) == []


def test_an_empty_log_has_the_fixed_columns(settings: Settings) -> None:
    empty = read_predictions(settings, DAY, DAY + timedelta(days=1))

    assert empty.empty
    assert {"request_id", "prediction", "model_version"} <= set(empty.columns)


def test_a_retry_gets_the_answer_that_stands_and_is_logged_once(settings: Settings) -> None:
    log = open_log(settings)
    (first,) = log.append([entry("a", value=0.1)], LAYOUT)
    again, twin = log.append([entry("a", value=0.9), entry("b")], LAYOUT)

    assert again == first
    answer = answer_of(twin, LAYOUT)
    assert (answer.missing, answer.stale) == (("trend",), ("hour",))
    assert len(read_segment(segments(log_folder(settings))[0])[1]) == 2


def test_after_a_new_version_took_over_a_retry_is_its_own_answer_and_the_first_counts(
    settings: Settings,
) -> None:
    log = open_log(settings)
    log.append([entry("a", value=0.1)], LAYOUT)
    (second,) = log.append([entry("a", version="2", value=0.9)], LAYOUT)

    (row,) = read_predictions(settings, DAY, DAY + timedelta(days=1)).itertuples()
    assert (second.model_version, second.prediction) == ("2", 0.9)
    assert (row.model_version, row.prediction) == ("1", 0.1)


def test_another_question_under_the_same_id_writes_nothing(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)

    with pytest.raises(RequestIdReusedError, match="'a'"):
        log.append([entry("b"), entry("a", site="east")], LAYOUT)

    assert read_ids(settings) == ["a"]


def test_only_the_last_answers_are_remembered_and_the_reader_still_counts_the_first(
    settings: Settings,
) -> None:
    log = open_log(settings, remember=2)
    log.append([entry("a", value=0.1), entry("b"), entry("c")], LAYOUT)
    (forgotten,) = log.append([entry("a", value=0.9)], LAYOUT)

    logged = read_predictions(settings, DAY, DAY + timedelta(days=1)).set_index("request_id")
    assert forgotten.prediction == 0.9
    assert logged.loc["a", "prediction"] == 0.1


def test_a_retry_across_midnight_counts_on_the_first_day_only(settings: Settings) -> None:
    log = open_log(settings, remember=1)
    log.append([entry("a"), entry("b")], LAYOUT)
    log.append([entry("a", DAY + RETRY_WINDOW - timedelta(hours=1) + timedelta(hours=1))], LAYOUT)

    assert read_ids(settings) == ["a", "b"]
    assert read_ids(settings, DAY + timedelta(days=1)) == []


def test_a_restart_adopts_what_a_dead_process_left(settings: Settings) -> None:
    dead = Segment.create(log_folder(settings), LAYOUT)
    dead.append([entry("a", value=0.1)])
    os.write(dead._descriptor, b'["b","2024-05-01T00:00')  # killed while writing: "b" was never answered
    dead.close()

    log = open_log(settings)
    answers = log.append([entry("a", value=0.9), entry("b", value=0.2)], LAYOUT)
    log.close()

    assert [answer.prediction for answer in answers] == [0.1, 0.2]
    assert read_ids(settings) == ["a", "b"]
    assert segments(log_folder(settings)) == []


def test_a_living_process_s_segment_is_left_alone(settings: Settings) -> None:
    first, second = open_log(settings), open_log(settings)
    first.append([entry("a")], LAYOUT)
    third = open_log(settings)
    second.append([entry("b")], LAYOUT)
    third.close()

    assert len(segments(log_folder(settings))) == 2
    assert read_ids(settings) == ["a", "b"]


def test_a_crash_between_sealing_and_deleting_doubles_nothing(settings: Settings) -> None:
    segment = Segment.create(log_folder(settings), LAYOUT)
    segment.append([entry("a"), entry("b")])
    segment.close()
    write_parts(to_table(*read_segment(segment.path)), log_folder(settings), segment.path.stem)

    before = read_ids(settings)
    open_log(settings).close()

    assert before == read_ids(settings) == ["a", "b"]
    assert len(sealed_files(settings)) == 1


def test_rows_are_sealed_when_there_are_enough(settings: Settings) -> None:
    log = open_log(settings, seal_rows=10)
    for number in range(25):
        log.append([entry(f"{number:02}")], LAYOUT)
        if number == 10:
            wait_until(lambda: sealed_files(settings), "the first sealed file")
    log.close()

    assert len(sealed_files(settings)) > 1
    assert read_ids(settings) == [f"{number:02}" for number in range(25)]


def test_large_segments_are_sealed_in_a_process_of_their_own_whatever_lies_beside_them(
    settings: Settings,
) -> None:
    whole, corrupt = (Segment.create(log_folder(settings), LAYOUT) for _ in range(2))
    while whole.path.stat().st_size <= SMALL_BYTES:
        whole.append([entry(f"{whole.rows}-{number}") for number in range(1_000)])
    corrupt.append([entry("c")] * 100)
    os.write(corrupt._descriptor, b"x" * SMALL_BYTES + b"\n")
    for segment in (corrupt, whole):
        segment.close()

    log = open_log(settings)
    wait_until(lambda: not whole.path.exists(), "the large segment to be sealed")
    wait_until(lambda: log.last_error, "the corrupt one's error")

    assert corrupt.path.name in str(log.last_error)
    assert log.unsealed_segments == 1
    corrupt.path.unlink()
    assert len(read_ids(settings)) == whole.rows


def test_a_model_with_other_inputs_gets_a_segment_of_its_own(settings: Settings) -> None:
    columns = (FeatureColumn(name="weekday", kind="numeric"),)
    other = Layout(LAYOUT.keys, feature_types(columns))
    changed = replace(with_features(entry("b"), (3.0,), other), statuses=("present",), ages=(None,))
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    log.append([changed], other)
    log.close()

    logged: Any = read_predictions(settings, DAY, DAY + timedelta(days=1)).set_index("request_id")
    assert logged.loc["b", "feature.weekday"] == 3.0
    assert np.isnan(logged.loc["a", "feature.weekday"])
    assert np.isnan(logged.loc["b", "feature.cars"])


def test_models_that_serve_together_write_a_segment_each(settings: Settings) -> None:
    other = Layout(LAYOUT.keys, LAYOUT.features[:-1])
    log = open_log(settings)
    for number in range(3):
        log.append([entry(f"a{number}")], LAYOUT)
        shorter = entry(f"b{number}")
        log.append(
            [
                replace(
                    with_features(shorter, VALUES[:-1], other),
                    statuses=shorter.statuses[:-1],
                    ages=shorter.ages[:-1],
                )
            ],
            other,
        )

    assert len(segments(log_folder(settings))) == 2
    assert len(read_ids(settings)) == 6


def test_a_shadow_has_its_request_s_id_and_is_no_answer_to_it(settings: Settings) -> None:
    log = open_log(settings)
    log.append_shadows([replace(entry("a", version="2", value=0.2), role="shadow")], LAYOUT)
    (answer,) = log.append([entry("a", value=0.1)], LAYOUT)
    log.append_shadows([replace(entry("a", version="2", value=0.3), role="shadow")], LAYOUT)

    assert answer.prediction == 0.1
    assert read_predictions(settings, DAY, DAY + timedelta(days=1))["prediction"].tolist() == [0.1]
    assert read_shadows(settings, DAY, DAY + timedelta(days=1))["prediction"].tolist() == [0.2]


def test_other_features_under_the_same_id_are_another_question_if_they_were_given(
    settings: Settings,
) -> None:
    log = open_log(settings)
    given = replace(entry("a"), source=GIVEN, keys=(None,) * len(LAYOUT.keys))
    log.append([given], LAYOUT)
    log.append([entry("b")], LAYOUT)

    log.append([given, with_features(entry("b"), (2.0, *VALUES[1:]))], LAYOUT)
    with pytest.raises(RequestIdReusedError, match="'a'"):
        log.append([with_features(given, (2.0, *VALUES[1:]))], LAYOUT)

    assert log.lines == 2


def test_bulk_predictions_are_read_beside_online_ones(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("a")], LAYOUT)
    bulk = pd.DataFrame({
        "request_id": ["b", "a"], "prediction_time": pd.to_datetime([DAY, DAY]).astype("datetime64[us, UTC]"),
        "model_version": "1", "prediction": [0.2, 0.3], "feature.cars": [1.0, np.nan],
    })  # fmt: skip
    append_batch(log_folder(settings), bulk, arrow_schema(COLUMNS, PROBLEM))

    logged = read_predictions(settings, DAY, DAY + timedelta(days=1)).set_index("request_id")
    assert logged["source"].to_dict() == {"a": "online", "b": "batch"}


def test_one_request_sent_twice_at_once_has_one_answer(settings: Settings) -> None:
    log = open_log(settings)
    asked = [[entry("a", value=number / 10)] for number in range(8)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: log.append(one, LAYOUT)[0], asked))

    assert len({answer.prediction for answer in answers}) == 1
    assert log.lines == 1
