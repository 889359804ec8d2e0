"""The client against a served process: typed answers and errors; a service that is busy, frozen, gone."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from features.apply import apply_repository
from inference.client import AsyncRoundtripClient, Instance, NoAnswerError, RetryPolicy, RoundtripClient
from inference.client.errors import (
    EventIdConflictError,
    InvalidRequestError,
    NoModelError,
    RequestIdConflictError,
)
from inference.client.instances import FieldValue
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.inference.events.test_events import REPOSITORY as EVENTS_REPOSITORY
from tests.inference.events.test_events import counted
from tests.inference.running import ROOT, ServerProcess, free_port, running_server
from tests.inference.world import NOON, add_version, instance, set_champion, world_settings

HEAVY = ("features", "training", "fastapi", "pydantic", "numpy", "onnxruntime", "mlflow", "opentelemetry")
IMPORT = f"""
import sys
import inference.client
loaded = set(sys.modules)
print(sorted({{name.partition(".")[0] for name in loaded}} & set({HEAVY!r})))
print([name for name in loaded if name.startswith("inference.") and not name.startswith("inference.client")])
"""
PATIENT = RetryPolicy(attempts=80, first_wait=0.2, longest_wait=0.5)
QUESTIONS = [f"question-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def url(shared_service: httpx.Client) -> str:
    return str(shared_service.base_url)


@pytest.fixture
def client(url: str) -> Iterator[RoundtripClient]:
    with RoundtripClient(url) as client:
        yield client


@pytest.fixture
def server(settings: InferenceSettings, champion: str) -> Iterator[ServerProcess]:
    """A service in a process of its own."""
    server = ServerProcess(settings)
    server.wait_until_ready()
    yield server
    server.kill()


def logged_ids(settings: InferenceSettings) -> list[str]:
    logged: list[str] = read_predictions(settings, NOON, NOON + timedelta(seconds=1))["request_id"].tolist()
    return sorted(logged)


def test_predictions_are_typed_and_in_order(client: RoundtripClient) -> None:
    north = client.predict(instance("north", request_id="typed"))
    answered = client.predict_many([instance("south"), Instance(instance("east"), request_id="second")])

    assert (north.request_id, north.model_version, north.role) == ("typed", "1", "champion")
    assert north.prediction == pytest.approx(1.125)
    assert north.reasons is None
    assert [one.prediction for one in answered.predictions] == pytest.approx([1.0, 1.124])
    assert answered.predictions[0].stale == ("cars", "trend")
    assert answered.predictions[1].request_id == "second"


def test_fields_may_be_moments_and_features_may_be_given(client: RoundtripClient) -> None:
    columns = client.model().columns
    given = {column.name: "hill" if column.kind == "categorical" else 2.0 for column in columns}
    opens_at = datetime(2024, 5, 1, 13, tzinfo=UTC)
    fields: dict[str, FieldValue] = {"site": "north", "opens_at": opens_at, "spaces": 40, "fee": 2.5}

    looked_up = client.predict(Instance(fields, prediction_time=NOON))
    answered = client.predict(Instance(features=given, prediction_time=NOON))

    assert looked_up.prediction == pytest.approx(1.125)
    assert answered.prediction == pytest.approx(1.002)


def test_reasons_come_when_they_are_asked_for(client: RoundtripClient) -> None:
    answered = client.predict(instance("north"), explain=True)

    assert answered.reasons
    assert [reason.value for reason in answered.reasons if reason.feature == "cars"] == [125.0]


def test_the_model_and_readiness_are_typed(client: RoundtripClient) -> None:
    model, ready = client.model(), client.ready()

    assert (model.name, model.version, model.alias) == ("parking", "1", "champion")
    assert model.since < datetime.now(UTC)
    assert model.windows["gate"].rows == 100
    assert (ready.status, ready.model_version, ready.warnings) == ("ready", "1", ())


def test_errors_have_a_class_for_their_code_and_name_the_request(client: RoundtripClient) -> None:
    client.predict(instance("north", request_id="taken"))

    with pytest.raises(InvalidRequestError, match="wrong-1") as wrong:
        client.predict(instance(spaces="many"), request_id="wrong-1")
    with pytest.raises(RequestIdConflictError):
        client.predict(instance("south", request_id="taken"))

    assert (wrong.value.status, wrong.value.request_id) == (422, "wrong-1")
    assert [(item.index, item.field) for item in wrong.value.items] == [(0, "spaces")]


def test_the_asynchronous_client_does_the_same(url: str) -> None:
    async def ask() -> list[float]:
        async with AsyncRoundtripClient(url) as client:
            assert (await client.ready()).model_version == (await client.model()).version
            with pytest.raises(InvalidRequestError):
                await client.predict(instance(spaces="many"))
            answers = await asyncio.gather(*(client.predict(instance("north")) for _ in range(20)))
            return [answer.prediction for answer in answers]

    assert asyncio.run(ask()) == pytest.approx([1.125] * 20)


def test_a_caller_that_is_limited_is_slowed_and_answered(settings: InferenceSettings, champion: str) -> None:
    a_second = 4.0
    limited = settings.model_copy(update={"rate_limit": a_second, "rate_burst": 1})

    with running_server(limited) as served, RoundtripClient(str(served.base_url), retries=PATIENT) as client:
        began = time.monotonic()
        answers = [client.predict(instance("north")) for _ in range(3)]

    assert len(answers) == 3
    assert time.monotonic() - began >= 2 / a_second


def test_a_service_without_a_model_is_waited_for(settings: InferenceSettings) -> None:
    with (
        running_server(settings, ready=False) as served,
        RoundtripClient(str(served.base_url), retries=PATIENT) as client,
    ):
        began = time.monotonic()
        with pytest.raises(NoModelError):
            client.ready()  # asked once
        assert time.monotonic() - began < 5
        threading.Timer(0.5, lambda: set_champion(settings, add_version(settings, 1.0))).start()

        assert client.predict(instance("north")).prediction == pytest.approx(1.125)


def test_a_service_that_is_frozen_costs_the_timeout_and_is_asked_again(
    settings: InferenceSettings, server: ServerProcess
) -> None:
    process = server.process.pid or 0
    with (
        RoundtripClient(server.url, timeout=0.3, retries=RetryPolicy(1)) as hasty,
        RoundtripClient(server.url, timeout=0.3, retries=PATIENT) as patient,
    ):
        hasty.predict(instance("north", request_id="before"))
        os.kill(process, signal.SIGSTOP)
        with pytest.raises(NoAnswerError, match="ReadTimeout"):
            hasty.predict(instance("north", request_id="frozen"))
        threading.Timer(1.0, os.kill, (process, signal.SIGCONT)).start()
        answered = patient.predict(instance("north", request_id="after"))

    assert answered.request_id == "after"
    server.kill()
    logged = logged_ids(settings)
    assert len(logged) == len(set(logged))
    assert {"before", "after"} <= set(logged)


def test_a_service_that_is_restarted_meanwhile_answers_each_question_once(
    settings: InferenceSettings, champion: str
) -> None:
    port = free_port()
    servers = [ServerProcess(settings, port)]
    servers[0].wait_until_ready()
    asked = iter(QUESTIONS)

    with RoundtripClient(servers[0].url, retries=PATIENT) as client:
        answered = [client.predict(instance(request_id=next(asked))).request_id for _ in range(20)]
        servers[0].kill()
        threading.Timer(0.3, lambda: servers.append(ServerProcess(settings, port))).start()
        answered += [client.predict(instance(request_id=name)).request_id for name in asked]
    servers[1].kill()

    assert answered == QUESTIONS
    assert logged_ids(settings) == sorted(QUESTIONS)


def test_events_are_taken_in_once(settings: InferenceSettings, champion: str) -> None:
    counting = world_settings(settings.var, feature_repo=EVENTS_REPOSITORY)
    apply_repository(counting.features)

    with running_server(counting) as served, RoundtripClient(str(served.base_url)) as client:
        receipts = [client.send_events([counted("first"), counted("second")]) for _ in range(2)]
        with pytest.raises(EventIdConflictError):
            client.send_events([counted("first", cars=7)])

    assert [(receipt.accepted, receipt.duplicates) for receipt in receipts] == [(2, 0), (0, 2)]


def test_the_client_loads_nothing_of_the_service_but_its_documents() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert said.stdout.split("\n")[:2] == ["[]", "['inference.documents']"]
