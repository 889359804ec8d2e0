"""Bad input gets a typed answer that says what to do, and leaves nothing in the log."""

import json
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from inference.documents import ErrorDocument
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from inference.validation.limits import LISTED_ERRORS
from tests.inference.running import list_warnings, running_server
from tests.inference.world import NOON, instance

WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"site": 7}, "site", "wrong_type"),
    ({"site": None}, "site", "wrong_type"),
    ({"site": ...}, "site", "missing_field"),
    ({"site": "x" * 17}, "site", "out_of_range"),
    ({"spaces": "40"}, "spaces", "wrong_type"),
    ({"spaces": 40.5}, "spaces", "wrong_type"),
    ({"spaces": True}, "spaces", "wrong_type"),
    ({"spaces": 0}, "spaces", "out_of_range"),
    ({"spaces": 10**30}, "spaces", "out_of_range"),
    ({"fee": "2.5"}, "fee", "wrong_type"),
    ({"fee": -0.01}, "fee", "out_of_range"),
    ({"opens_at": "2024-05-01T13:00:00"}, "opens_at", "naive_timestamp"),
    ({"opens_at": 1714568400}, "opens_at", "wrong_type"),
    ({"opens_at": "tomorrow"}, "opens_at", "wrong_type"),
    ({"opens_at": "0001-01-01T00:00:00+14:00"}, "opens_at", "out_of_range"),
    ({"opens_at": "9999-12-31T23:59:59-14:00"}, "opens_at", "out_of_range"),
    ({"prediction_time": "2024-05-01T12:00:00"}, "prediction_time", "naive_timestamp"),
    ({"request_id": ""}, "request_id", "out_of_range"),
    ({"request_id": 5}, "request_id", "wrong_type"),
    ({"colour": "red"}, "colour", "unknown_field"),
]


def error_of(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    return msgspec.json.decode(response.content, type=ErrorDocument).error


@pytest.mark.parametrize(("changes", "field", "code"), WRONG_FIELDS)
def test_a_wrong_field_is_named(
    shared_service: httpx.Client, changes: dict[str, Any], field: str, code: str
) -> None:
    bare = shared_service.post("/v1/predict", json=instance(**changes))
    second = shared_service.post("/v1/predict", json={"instances": [instance(), instance(**changes)]})

    (item,) = error_of(bare, 422).items
    assert (item.index, item.field, item.code) == (0, field, code)
    (item,) = error_of(second, 422).items
    assert (item.index, item.field, item.code) == (1, field, code)
    assert item.message


def test_no_more_is_explained_than_is_listed(shared_service: httpx.Client) -> None:
    wrong = instance(spaces="many", **{f"strange_{place}": 0 for place in range(30)})

    error = error_of(shared_service.post("/v1/predict", json={"instances": [wrong] * 1_000}), 422)

    assert error.message.startswith("100 or more fields are wrong")
    assert len(error.items) == LISTED_ERRORS
    assert {item.index for item in error.items} == {0, 1, 2, 3}


def test_what_stands_beside_the_instances_is_named(shared_service: httpx.Client) -> None:
    response = shared_service.post("/v1/predict", json={"instances": [instance()], "colour": "red"})

    (item,) = error_of(response, 422).items
    assert (item.field, item.code) == ("colour", "unknown_field")


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"site": "north"', b"\xff\xfe", b'{"site": "\\ud800"}', b"[" * 100_000, b"not json"]
)
def test_malformed_json_is_refused(shared_service: httpx.Client, body: bytes) -> None:
    assert error_of(shared_service.post("/v1/predict", content=body), 400).code == "malformed_json"


@pytest.mark.parametrize(
    "document", [[], 5, None, "text", {}, {"instances": []}, {"instances": 5}, {"instances": [5]}]
)
def test_other_json_is_refused(shared_service: httpx.Client, document: object) -> None:
    response = shared_service.post("/v1/predict", content=json.dumps(document))

    assert error_of(response, 422).code == "invalid_request"


def test_a_number_that_json_does_not_have_is_refused(shared_service: httpx.Client) -> None:
    body = b'{"site":"north","opens_at":"2024-05-01T13:00:00Z","spaces":40,"fee":NaN}'

    assert error_of(shared_service.post("/v1/predict", content=body), 422).items[0].field == "fee"


def test_ten_thousand_items_are_too_many(shared_service: httpx.Client) -> None:
    response = shared_service.post("/v1/predict", json={"instances": [instance()] * 10_000})

    error = error_of(response, 413)
    assert error.code == "too_many_items"
    assert "1000" in error.message


def test_an_endless_body_is_cut_off(settings: InferenceSettings, champion: str) -> None:
    small = settings.model_copy(update={"max_body_bytes": 1_000})
    with running_server(small) as client:
        declared = client.post("/v1/predict", content=b"x" * 1_001)
        streamed = client.post("/v1/predict", content=iter([b"x" * 600] * 2))

    assert error_of(declared, 413).code == error_of(streamed, 413).code == "body_too_large"


def test_one_wrong_instance_leaves_nothing_in_the_log(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    asked = [instance(request_id="right"), instance(request_id="wrong", spaces="many")]

    error_of(service.post("/v1/predict", json={"instances": asked}), 422)

    assert read_predictions(settings, NOON, NOON + timedelta(days=1)).empty


def test_a_request_id_names_one_question_only(settings: InferenceSettings, service: httpx.Client) -> None:
    first = service.post("/v1/predict", json=instance(request_id="one"))
    other = service.post("/v1/predict", json=instance("east", request_id="one"))
    both = service.post(
        "/v1/predict", json={"instances": [instance(request_id="two"), instance("east", request_id="two")]}
    )

    assert first.status_code == 200
    assert error_of(other, 409).code == error_of(both, 409).code == "request_id_reused"
    assert read_predictions(settings, NOON, NOON + timedelta(days=1))["request_id"].tolist() == ["one"]


def test_a_retry_is_logged_once(settings: InferenceSettings, service: httpx.Client) -> None:
    answers = [service.post("/v1/predict", json=instance(request_id="again")).json() for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert read_predictions(settings, NOON, NOON + timedelta(days=1))["request_id"].tolist() == ["again"]
    assert "roundtrip_log_lines 1.0" in service.get("/metrics").text


def test_what_cannot_be_logged_is_not_answered(settings: InferenceSettings, champion: str) -> None:
    (settings.var / "predictions").mkdir()
    (settings.var / "predictions" / "journal").write_text("a file where the journal's folder should be")

    with running_server(settings) as client:
        assert error_of(client.post("/v1/predict", json=instance()), 503).code == "log_unavailable"


def test_unknown_paths_and_verbs_are_typed_too(shared_service: httpx.Client) -> None:
    assert error_of(shared_service.get("/v1/nowhere"), 404).message
    assert error_of(shared_service.get("/v1/predict"), 405).message


@pytest.mark.parametrize("damage", ["absent", "damaged"])
def test_an_online_store_that_cannot_be_read_is_said(
    settings: InferenceSettings, service: httpx.Client, damage: str
) -> None:
    for beside in ("-wal", "-shm"):
        settings.features.online_db.with_name(settings.features.online_db.name + beside).unlink(
            missing_ok=True
        )
    settings.features.online_db.unlink()
    if damage == "damaged":
        settings.features.online_db.write_bytes(b"no database" * 1_000)

    answer = service.post("/v1/predict", json=instance()).json()

    assert answer["degraded"]
    [warning] = list_warnings(service)
    assert "online.db" in warning
    assert "python -m features apply" in warning
