"""A retry gets the answer that stands; nobody gets another caller's, nor one to another request."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from msgspec.structs import replace

from features.settings import Settings
from inference.prediction_log.errors import RequestIdReusedError
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.retention import retained
from inference.prediction_log.schema import arrow_schema, log_folder
from inference.prediction_log.segment import GIVEN, Layout, LoggedPrediction
from inference.prediction_log.writer import PredictionLog
from inference.settings import InferenceSettings
from tests.inference.bulk_log import append_batch
from tests.inference.bundles import COLUMNS
from tests.inference.callers import bearer, new_key
from tests.inference.logged_lines import DAY, LAYOUT, entry, open_log, read_ids, with_features
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server, wait_until
from tests.inference.world import NOON, copy_served, instance

Headers = dict[str, str]
ANN, BOB = "key:ann", "key:bob"


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


@pytest.fixture(scope="module")
def guarded(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """A world with a champion whose service asks for keys."""
    var = tmp_path_factory.mktemp("idempotency") / "var"
    return copy_served(built_world, var, api_keys=var / "keys.json")


@pytest.fixture(scope="module")
def callers(guarded: InferenceSettings) -> tuple[Headers, Headers]:
    assert guarded.api_keys is not None
    ann, bob = (bearer(new_key(guarded.api_keys, name)) for name in ("ann", "bob"))
    return ann, bob


@pytest.fixture(scope="module")
def client(guarded: InferenceSettings, callers: tuple[Headers, Headers]) -> Iterator[httpx.Client]:
    with running_server(guarded) as client:
        yield client


def ask(client: httpx.Client, headers: Headers, **changes: Any) -> httpx.Response:
    return client.post("/v1/predict", json=instance(**changes), headers=headers)


def asked_by(caller: str | None, name: str, **changes: Any) -> LoggedPrediction:
    return replace(entry(name, **changes), caller=caller)


def answers_of(log: PredictionLog, *lines: LoggedPrediction) -> Sequence[float]:
    return [line.prediction for line in log.append(list(lines), LAYOUT)]


def test_a_caller_neither_gets_nor_blocks_what_another_one_asked_under_the_same_id(
    client: httpx.Client, callers: tuple[Headers, Headers], guarded: InferenceSettings
) -> None:
    ann, bob = callers
    first = ask(client, ann, request_id="shared")
    same = ask(client, bob, request_id="shared")
    ask(client, bob, request_id="bob-first", site="south")
    other = ask(client, ann, request_id="bob-first")

    assert [response.status_code for response in (first, same, other)] == [200] * 3
    logged = read_predictions(guarded, NOON, NOON + timedelta(seconds=1))
    assert logged.groupby("request_id")["caller"].nunique().to_dict() == {"shared": 2, "bob-first": 2}
    assert set(logged["caller"].str.partition(":")[0]) == {"key"}


def test_the_same_id_at_another_prediction_time_is_another_request(
    client: httpx.Client, callers: tuple[Headers, Headers]
) -> None:
    ann, _ = callers
    later = (NOON + timedelta(hours=1)).isoformat()
    first = ask(client, ann, request_id="timed")

    assert ask(client, ann, request_id="timed").json() == first.json()
    for moment in (later, ...):
        assert ask(client, ann, request_id="timed", prediction_time=moment).status_code == 409


def test_numbers_that_python_hashes_alike_are_told_apart(log_settings: Settings) -> None:
    log = open_log(log_settings)
    line = entry("a")
    one, two = (replace(line, keys=(*line.keys[:2], number, None)) for number in (-1, -2))
    log.append([one], LAYOUT)

    with pytest.raises(RequestIdReusedError, match="'a'"):
        log.append([two], LAYOUT)


def test_a_retry_of_given_features_is_recognised_by_a_model_that_reads_them_in_another_order(
    log_settings: Settings,
) -> None:
    turned = Layout(LAYOUT.keys, LAYOUT.features[::-1])
    values = (1.0, 2.0, 3.0, "hill", 4.0, 5.0)
    log = open_log(log_settings)
    plain = replace(entry("a"), source=GIVEN, statuses=(), ages=())
    log.append([with_features(plain, values)], LAYOUT)

    (line,) = log.append([with_features(replace(plain, model_version="2"), values[::-1], turned)], turned)
    assert line.model_version == "2"
    with pytest.raises(RequestIdReusedError):
        log.append(
            [with_features(replace(plain, model_version="2"), (9.0, *values[1:])[::-1], turned)], turned
        )


def test_what_was_answered_is_known_after_a_clean_restart(log_settings: Settings) -> None:
    log = open_log(log_settings)
    answers_of(log, asked_by(ANN, "a", value=0.1), asked_by(BOB, "a", value=0.2))
    log.close()

    again = open_log(log_settings)
    answers = answers_of(again, asked_by(ANN, "a", value=0.8), asked_by(BOB, "a", value=0.9))
    with pytest.raises(RequestIdReusedError):
        answers_of(again, asked_by(ANN, "a", site="east"))
    again.close()

    assert answers == [0.1, 0.2]
    assert read_ids(log_settings) == ["a", "a"]


def test_no_more_is_retained_than_is_remembered(log_settings: Settings) -> None:
    folder = log_folder(log_settings)
    log = open_log(log_settings, seal_rows=2, remember=3)
    for number in range(4):
        log.append([entry(f"{number}-{place}") for place in range(2)], LAYOUT)
        wait_until(lambda: not list((folder / "journal").glob("*.jsonl")), "the segment to be sealed")
    log.close()
    again = open_log(log_settings, remember=3)

    assert len(retained([folder])) == 2
    assert answers_of(again, entry("2-1", value=0.9), entry("1-1", value=0.9)) == [0.5, 0.9]
    again.close()


def test_an_example_scored_in_bulk_and_by_a_caller_counts_once(log_settings: Settings) -> None:
    log = open_log(log_settings)
    log.append([asked_by(ANN, "a", value=0.1)], LAYOUT)
    bulk = pd.DataFrame({
        "request_id": ["a", "b"], "prediction_time": pd.to_datetime([DAY, DAY]).astype("datetime64[us, UTC]"),
        "model_version": "1", "prediction": 0.3,
    })  # fmt: skip
    append_batch(log_folder(log_settings), bulk, arrow_schema(COLUMNS, PROBLEM))
    log.append([asked_by(BOB, "b", value=0.2)], LAYOUT)

    logged = read_predictions(log_settings, DAY, DAY + timedelta(days=1))
    assert logged[["request_id", "prediction"]].to_numpy().tolist() == [["a", 0.1], ["b", 0.3]]
