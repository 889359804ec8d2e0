"""What the process answers when it cannot decide: the typed error, with what to do next."""

from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from contracts.registry import open_client
from monitoring.ml.reports.report_queue import ReportQueue
from monitoring.ml.server.app import create_app
from monitoring.ml.settings import MonitoringSettings
from tests.monitoring.orders import PROBLEM, START, WEEK

Break = Callable[[MonitoringSettings], None]


@pytest.fixture
def client(settings: MonitoringSettings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), "http://127.0.0.1") as client:
        yield client


def remove_champion(settings: MonitoringSettings) -> None:
    open_client(settings.registry).delete_registered_model_alias(PROBLEM.name, "champion")


def remove_registry(settings: MonitoringSettings) -> None:
    assert settings.registry.tracking_db is not None
    settings.registry.tracking_db.unlink()


def damage_bundle(settings: MonitoringSettings) -> None:
    next(settings.registry.artifact_root.glob("**/profile.json")).write_text("{}")


def remove_outcomes(settings: MonitoringSettings) -> None:
    (settings.features.tables / "outcomes.parquet").unlink()


def contradict_outcomes(settings: MonitoringSettings) -> None:
    outcomes = settings.features.tables / "outcomes.parquet"
    last = pd.read_parquet(outcomes).tail(1)
    other = last.assign(returned_items=1 - (last["returned_items"] > 0).astype("int64"))
    pd.concat([last, other]).to_parquet(outcomes, index=False)


def damage_record(settings: MonitoringSettings) -> None:
    settings.monitoring_dir.mkdir(exist_ok=True)
    settings.decisions_file.write_text("{}\n")


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (remove_champion, "NoChampionError"),
        (remove_registry, "RegistryUnavailableError"),
        (damage_bundle, "BundleDigestError"),
        (remove_outcomes, "TableMissingError"),
        (contradict_outcomes, "ContradictionError"),
        (damage_record, "DecisionLogError"),
    ],
)
def test_what_is_broken_is_named(
    settings: MonitoringSettings, client: TestClient, broken: Break, error: str
) -> None:
    broken(settings)

    answer = client.post("/v1/evaluate", json={"as_of": (START + WEEK).isoformat()})

    assert answer.status_code == 503
    assert answer.json()["error"] == error
    assert answer.json()["detail"]


def test_an_empty_log_is_too_small_a_sample(client: TestClient) -> None:
    answer = client.post("/v1/evaluate", json={"as_of": (START + WEEK).isoformat()})

    assert answer.status_code == 200
    assert (answer.json()["verdict"], answer.json()["sample"]) == ("insufficient", 0)


def test_a_failing_report_is_counted_and_does_not_stop_the_next() -> None:
    queue, written = ReportQueue(limit=2), []

    queue.submit(lambda: 1 / 0)
    queue.submit(lambda: written.append("next"))
    queue.close()

    assert (queue.failures, queue.last_error) == (1, "division by zero")
    assert written == ["next"]
    assert queue.pending == 0
