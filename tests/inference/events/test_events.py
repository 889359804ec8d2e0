"""`POST /v1/events` against a real service: what is acknowledged is durable and moves what is predicted."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pandas as pd
import pytest

from features.apply import apply_repository
from inference.documents import ErrorDocument
from inference.settings import InferenceSettings
from tests.inference.running import ServerProcess, running_server, wait_until
from tests.inference.world import NOON, add_version, instance, set_champion, world_settings

REPOSITORY = Path(__file__).with_name("events_repository")


def counted(event_id: str, /, cars: Any = 500, **changes: Any) -> dict[str, Any]:
    """A count at the northern car park at noon; `...` leaves a field out."""
    moment = NOON.isoformat()
    event = {"event_id": event_id, "type": "counted", "site": "north", "cars": cars}
    event |= {"counted_at": moment, "sent_at": moment}
    return {name: value for name, value in (event | changes).items() if value is not ...}


def error_of(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    return msgspec.json.decode(response.content, type=ErrorDocument).error


def stored_cars(settings: InferenceSettings) -> list[float]:
    cars: list[float] = pd.read_parquet(settings.features.tables / "load.parquet")["cars"].tolist()
    return cars


def predicted(client: httpx.Client, **changes: Any) -> float:
    (answer,) = client.post("/v1/predict", json=instance(**changes)).json()["predictions"]
    return float(answer["prediction"])


@pytest.fixture
def counting(settings: InferenceSettings, champion: str) -> InferenceSettings:
    """The car parks, with a stream of counts; champion predicts 1 + cars / 1000."""
    changed = world_settings(settings.var, feature_repo=REPOSITORY)
    apply_repository(changed.features)
    return changed


@pytest.fixture(scope="module")
def shared_counting(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    """Such car parks for the tests that go on with each other's events."""
    var = tmp_path_factory.mktemp("counting") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var, feature_repo=REPOSITORY)
    set_champion(settings, add_version(settings, 1.0))
    apply_repository(settings.features)
    return settings


@pytest.fixture(scope="module")
def counter(shared_counting: InferenceSettings) -> Iterator[httpx.Client]:
    with running_server(shared_counting) as client:
        yield client


def test_an_event_moves_the_next_prediction(counter: httpx.Client) -> None:
    before = predicted(counter)

    answer = counter.post("/v1/events", json=counted("moving", cars=700))

    assert answer.json() == {"accepted": 1, "duplicates": 0}
    wait_until(lambda: predicted(counter) == pytest.approx(1.7), "the count to be served")
    assert before != pytest.approx(1.7)


def test_what_was_served_reaches_history_too(counting: InferenceSettings) -> None:
    moment = (NOON + timedelta(minutes=5)).isoformat()
    often = world_settings(counting.var, feature_repo=REPOSITORY, event_flush_seconds=0.1)
    with running_server(often) as client:
        client.post("/v1/events", json=counted("one", cars=321, counted_at=moment, sent_at=moment))
        wait_until(lambda: 321 in stored_cars(counting), "the count to reach history")
        client.post("/v1/events", json=counted("two", cars=123, counted_at=moment, sent_at=moment))

    assert stored_cars(counting)[-2:] == [321, 123]


def test_a_repetition_counts_once(counter: httpx.Client) -> None:
    events = [counted("first"), counted("second"), counted("first")]
    first = counter.post("/v1/events", json={"events": events})
    second = counter.post("/v1/events", json={"events": [counted("second"), counted("third")]})
    assert first.json() == {"accepted": 2, "duplicates": 1}
    assert second.json() == {"accepted": 1, "duplicates": 1}


WRONG: list[tuple[dict[str, Any], str | None, str]] = [
    ({"type": "painted"}, "type", "unknown_type"),
    ({"type": ...}, "type", "unknown_type"),
    ({"site": ...}, "site", "missing_field"),
    ({"cars": "many"}, "cars", "wrong_type"),
    ({"cars": -1}, "cars", "out_of_range"),
    ({"colour": "red"}, "colour", "unknown_field"),
    ({"counted_at": "2024-05-01T12:00:00"}, "counted_at", "naive_timestamp"),
    ({"sent_at": "9999-12-31T23:59:59-14:00"}, "sent_at", "out_of_range"),
    ({"event_id": ""}, "event_id", "out_of_range"),
    ({"site": "nowhere"}, "site", "unknown_site"),
    (
        {"sent_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        "sent_at",
        "in_the_future",
    ),
]


def test_a_wrong_event_is_named_and_nothing_is_taken(counter: httpx.Client) -> None:
    for changes, field, code in WRONG:
        document = {"events": [counted("good"), counted("bad", **changes)]}
        (item,) = error_of(counter.post("/v1/events", json=document), 422).items
        assert (item.index, item.field, item.code) == (1, field, code), changes
        assert item.message
    # Then the good one, sent again by itself, is new
    assert counter.post("/v1/events", json=counted("good")).json()["accepted"] == 1


def test_an_event_id_names_one_event_only(counter: httpx.Client) -> None:
    assert counter.post("/v1/events", json=counted("reused", cars=1)).status_code == 200
    error = error_of(counter.post("/v1/events", json=counted("reused", cars=2)), 409)
    assert error.code == error.items[0].code == "event_id_reused"


@pytest.mark.parametrize("body", [b"", b"{", b'{"event_id": "x"', b"\xff\xfe", b"[" * 100_000])
def test_malformed_json_is_refused(counter: httpx.Client, body: bytes) -> None:
    assert error_of(counter.post("/v1/events", content=body), 400).code == "malformed_json"


@pytest.mark.parametrize(
    "document", [[], 5, None, "text", {}, {"events": []}, {"events": 5}, {"events": [5]}]
)
def test_other_json_is_refused(counter: httpx.Client, document: object) -> None:
    response = counter.post("/v1/events", content=json.dumps(document))
    assert error_of(response, 422).code == "invalid_events"


def test_bodies_and_batches_are_bounded(counting: InferenceSettings) -> None:
    small = counting.model_copy(update={"max_body_bytes": 2_000, "max_items": 3})
    with running_server(small) as client:
        many = client.post("/v1/events", json={"events": [counted(str(number)) for number in range(4)]})
        endless = client.post("/v1/events", content=iter([b"x" * 1_500] * 2))
    assert error_of(many, 413).code == "too_many_items"
    assert error_of(endless, 413).code == "body_too_large"


def test_a_repository_without_events_says_so(shared_service: httpx.Client) -> None:
    for answer in (
        shared_service.post("/v1/events", json=counted("one")),
        shared_service.get("/v1/events/schema"),
    ):
        error = error_of(answer, 404)
        assert error.code == "no_events"
        assert "stream.py" in error.message


def test_the_schema_says_what_may_be_sent(counter: httpx.Client) -> None:
    schema = counter.get("/v1/events/schema").json()
    described = counter.get("/openapi.json").json()
    body = described["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    resolved = {"components": described["components"], **body}

    assert {"Counted", "Closed"} <= set(schema["$defs"])
    for taken in (counted("one"), {"events": [counted("two"), counted("three")]}):
        jsonschema.validate(taken, resolved)
    wrong: list[dict[str, Any]] = [counted("four", cars="many"), {"events": []}, {"events": [{}]}]
    for refused in wrong:
        assert not jsonschema.Draft202012Validator(resolved).is_valid(refused)


def test_only_one_service_takes_events_in(counter: httpx.Client, shared_counting: InferenceSettings) -> None:
    counter.post("/v1/events", json=counted("holding"))
    with running_server(shared_counting) as other:
        assert error_of(other.post("/v1/events", json=counted("two")), 503).code == "events_unavailable"
        assert predicted(other) > 1


def test_many_senders_at_once_lose_and_double_nothing(counter: httpx.Client) -> None:
    batches = [
        {"events": [counted(f"{number % 60}") for number in range(first, first + 10)]}
        for first in range(0, 120, 5)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda batch: counter.post("/v1/events", json=batch).json(), batches))
    assert sum(answer["accepted"] for answer in answers) == 60
    assert sum(answer["accepted"] + answer["duplicates"] for answer in answers) == 10 * len(batches)


def test_what_was_acknowledged_survives_the_death_of_the_service(counting: InferenceSettings) -> None:
    # Given a service that dies right after it has acknowledged
    server = ServerProcess(counting)
    server.wait_until_ready()
    moment = (NOON + timedelta(minutes=7)).isoformat()
    events = [counted("one", cars=640, counted_at=moment, sent_at=moment)]
    answer = httpx.post(f"{server.url}/v1/events", json={"events": events}, timeout=60)
    server.kill()
    assert answer.json()["accepted"] == 1

    # When another takes over and is sent the same again
    with running_server(counting) as client:
        again = client.post("/v1/events", json={"events": events})
        asked = {"prediction_time": (NOON + timedelta(minutes=8)).isoformat()}
        wait_until(lambda: predicted(client, **asked) == pytest.approx(1.64), "the count to be served")

    # Then it is known, counted once, and in history
    assert again.json() == {"accepted": 0, "duplicates": 1}
    rows = pd.read_parquet(counting.features.tables / "load.parquet").drop_duplicates()
    assert (rows["cars"] == 640).sum() == 1
