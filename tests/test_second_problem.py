"""A problem of other entities, another task and its own features goes through every room unchanged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pandas as pd
import pytest

from contracts.bundle.reader import read_bundle
from contracts.matrix import to_matrix
from contracts.parity import PARITY_LIMIT
from contracts.promotion import rollback
from contracts.registry import fetch_bundle, version_ref
from features.contract import read_examples
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from monitoring.ml.decisions.record import Decision
from monitoring.ml.monitor import Monitor
from monitoring.ml.settings import MonitoringSettings
from tests.inference.running import running_server, wait_until
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import SHIFT
from tests.second_problem.world import PROBLEM_PATH, build_docks, dock_settings
from training.outcome import TrainingOutcome, TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

WEEK = PROBLEM.drift.window
OPENING = SHIFT - WEEK
CLOSING = SHIFT + WEEK


@dataclass(frozen=True)
class Lived:
    """What two weeks of service left, the second of them after the demand had changed."""

    settings: MonitoringSettings
    first: TrainingOutcome
    answers: dict[str, float]
    decisions: list[Decision]
    second: TrainingOutcome
    served_after_training: str
    served_after_rollback: str


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> MonitoringSettings:
    var = tmp_path_factory.mktemp("second") / "var"
    build_docks(var)
    docks: dict[str, Any] = {"var": var, "problem": PROBLEM_PATH, "features": dock_settings(var).features}
    serving = InferenceSettings(**docks, replay=True, poll_seconds=0.2, serve_port=0)
    return MonitoringSettings(**docks, inference=serving)


@pytest.fixture(scope="module")
def lived(settings: MonitoringSettings) -> Lived:
    trained_by = dock_settings(settings.var)
    first = run_training(trained_by, OPENING, "the first model")
    monitor = Monitor(settings)
    with running_server(settings.inference) as client:
        answers, decisions = dict[str, float](), list[Decision]()
        for start in (OPENING, SHIFT):
            answers |= serve_week(settings.features, client, start)
            decisions.append(monitor.evaluate(start + WEEK))
        second = run_training(trained_by, CLOSING, "; ".join(decisions[-1].reasons))
        after_training = wait_for(client, second.version)
        rollback(settings.registry, PROBLEM.name, "to see the way back")
        after_rollback = wait_for(client, first.version)
    monitor.close()
    return Lived(settings, first, answers, decisions, second, after_training, after_rollback)


def run_training(settings: TrainingSettings, as_of: datetime, reason: str) -> TrainingOutcome:
    return train(settings, PROBLEM, TrainingRequest(as_of=as_of, reason=reason))


def serve_week(settings: FeatureSettings, client: httpx.Client, start: datetime) -> dict[str, float]:
    """Ask for every dock hour of the week at its own instant; answers by request id."""
    examples = read_examples(settings.tables, start, start + WEEK)
    feed = OnlineFeed(settings, PROBLEM.feature_service, examples)
    answers: dict[str, float] = {}
    for instant, rows in examples.groupby("event_timestamp"):
        assert isinstance(instant, pd.Timestamp)
        feed.advance(instant.to_pydatetime())
        response = client.post(
            "/v1/predict", json={"instances": [instance(row) for _, row in rows.iterrows()]}
        )
        assert response.status_code == 200, response.text
        answers |= {each["request_id"]: each["prediction"] for each in response.json()["predictions"]}
    return answers


def instance(row: pd.Series) -> dict[str, object]:
    return {
        "request_id": row["example_id"],
        "prediction_time": row["event_timestamp"].isoformat(),
        "station": row["station"],
        "starts_at": row["starts_at"].isoformat(),
        "forecast": row["forecast"],
    }


def wait_for(client: httpx.Client, version: str) -> str:
    """The version that answers a request, once the running server has noticed the alias."""
    wait_until(lambda: client.get("/v1/model").json()["version"] == version, f"version {version}")
    asked = {"station": "quay", "starts_at": CLOSING.isoformat(), "forecast": 10.0}
    response = client.post("/v1/predict", json=asked | {"prediction_time": CLOSING.isoformat()})
    return str(response.json()["predictions"][0]["model_version"])


def test_the_gate_accepts_a_regression_that_beats_its_mean(lived: Lived) -> None:
    assert lived.first.accepted
    assert lived.first.metrics["rmse"] < lived.first.verdict.base_rate["rmse"]


def test_every_answer_is_the_bundles_on_history(lived: Lived) -> None:
    # given the same dock hours, their features retrieved historically
    settings = lived.settings
    examples = read_examples(settings.features.tables, OPENING, CLOSING)
    features = historical_features(open_store(settings.features), PROBLEM.feature_service, examples)
    ref = version_ref(settings.registry, PROBLEM.name, lived.first.version)
    bundle = read_bundle(fetch_bundle(settings.registry, ref))
    expected = bundle.scorer(threads=2).score_matrix(to_matrix(features, bundle.contract.columns))
    # then what was served over HTTP is what the bundle answers to them
    assert set(lived.answers) == set(examples["example_id"])
    served = examples["example_id"].map(lived.answers)
    pd.testing.assert_series_equal(served, pd.Series(expected), check_names=False, rtol=PARITY_LIMIT)


def test_every_answer_is_logged_once(lived: Lived) -> None:
    logged = read_predictions(lived.settings, OPENING, CLOSING)
    assert dict(zip(logged["request_id"], logged["prediction"], strict=True)) == lived.answers
    assert set(logged["model_version"]) == {lived.first.version}


def test_monitoring_sees_the_change_and_not_before(lived: Lived) -> None:
    quiet, changed = lived.decisions
    assert quiet.verdict == "hold", quiet.reasons
    assert changed.drifting, changed.reasons
    assert changed.metrics["rmse"] > 2 * quiet.metrics["rmse"]
    # labels were still coming when it was decided
    assert 0 < changed.labelled < changed.sample == len(lived.answers) / 2


def test_reports_are_written(lived: Lived) -> None:
    assert any(lived.settings.workspace.rglob("*.json"))


def test_the_running_server_follows_the_retraining_and_the_rollback(lived: Lived) -> None:
    assert lived.second.accepted, lived.second.reasons
    assert lived.second.verdict.champion is not None
    assert lived.second.metrics["rmse"] < lived.second.verdict.champion["rmse"]
    assert lived.served_after_training == lived.second.version
    assert lived.served_after_rollback == lived.first.version
