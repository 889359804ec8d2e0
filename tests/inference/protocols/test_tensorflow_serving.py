"""TensorFlow Serving's REST surface, asked with `requests` as its documentation asks."""

import base64
import json
from typing import Any

import httpx
import pytest
import requests

from tests.inference.given_rows import ROWS, columns_of, expected
from tests.inference.parking import PROBLEM
from tests.inference.world import instance

MODEL = f"/v1/models/{PROBLEM.name}"


def ask(client: httpx.Client, document: Any, path: str = f"{MODEL}:predict") -> requests.Response:
    return requests.post(f"{client.base_url}{path}", data=json.dumps(document), timeout=30)


def test_status_and_metadata_say_what_is_served(shared_service: httpx.Client) -> None:
    address = f"{shared_service.base_url}{MODEL}"
    of_model, of_version, of_label = (
        requests.get(f"{address}{part}", timeout=30).json()
        for part in ("", "/versions/1", "/labels/champion")
    )
    described = requests.get(f"{address}/metadata", timeout=30).json()

    assert of_model == of_version == of_label
    assert of_model["model_version_status"][0] == {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    signatures = described["metadata"]["signature_def"]["signature_def"]
    assert set(columns_of()) <= set(signatures["serving_default"]["inputs"])
    assert signatures["serving_default"]["inputs"]["district"]["dtype"] == "DT_STRING"
    assert signatures["fields"]["inputs"]["spaces"]["dtype"] == "DT_INT64"
    assert described["model_spec"] == {"name": PROBLEM.name, "signature_name": "", "version": "1"}


@pytest.mark.parametrize("part", ["", "/versions/1", "/labels/champion"])
def test_rows_and_columns_are_answered_as_our_own_protocol_answers(
    shared_service: httpx.Client, part: str
) -> None:
    rows = ask(
        shared_service, {"instances": ROWS, "signature_name": "serving_default"}, f"{MODEL}{part}:predict"
    )
    columns = ask(shared_service, {"inputs": columns_of()}, f"{MODEL}{part}:predict")

    assert rows.json() == {"predictions": expected(shared_service)}
    assert columns.json() == {"outputs": expected(shared_service)}
    assert (rows.headers["x-model-version"], rows.headers["x-degraded"]) == ("1", "false")


@pytest.mark.parametrize("absent", [{"signature_name": ""}, {"signature_name": None, "inputs": None}])
def test_what_is_empty_or_null_is_absent(shared_service: httpx.Client, absent: dict[str, Any]) -> None:
    plain = ask(shared_service, {"instances": ROWS}).json()

    assert ask(shared_service, {"instances": ROWS, **absent}).json() == plain


def test_nan_and_encoded_texts_are_read(shared_service: httpx.Client) -> None:
    encoded = {"b64": base64.b64encode("Öst".encode()).decode()}
    rows = [{**ROWS[2], "cars": float("nan"), "district": encoded}]

    assert ask(shared_service, {"instances": rows}).json()["predictions"] == [expected(shared_service)[2]]


def test_request_fields_are_looked_up(shared_service: httpx.Client) -> None:
    asked = {"signature_name": "fields", "instances": [instance(), instance("east", fee=...)]}

    own = shared_service.post("/v1/predict", json={"instances": asked["instances"]}).json()["predictions"]
    assert ask(shared_service, asked).json() == {"predictions": [answer["prediction"] for answer in own]}


WRONG: list[tuple[Any, str]] = [
    ([], "no JSON object"),
    ({}, "either 'instances'"),
    ({"instances": ROWS, "inputs": columns_of()}, "either 'instances'"),
    ({"examples": ROWS}, "either 'instances'"),
    ({"instances": ROWS, "signature_name": "regress"}, "'regress' is no signature"),
    ({"instances": ROWS, "signature_name": "fields"}, "lacks ['site'"),
    ({"instances": 5}, "is no list"),
    ({"instances": []}, "no rows"),
    ({"instances": [1.0, 2.0]}, "row 0 is no object"),
    ({"instances": [ROWS[0], {**ROWS[0], "colour": 1}]}, "'colour' is no input"),
    ({"instances": [ROWS[0], {"cars": 1}]}, "row 1"),
    ({"instances": [ROWS[0], {**ROWS[0], "cars": [1]}]}, "row 1"),
    ({"instances": [ROWS[0], {**ROWS[0], "cars": True}]}, "row 1"),
    ({"instances": [ROWS[0], {**ROWS[0], "cars": float("inf")}]}, "row 1"),
    ({"instances": [ROWS[0], {**ROWS[0], "district": {"b64": "!"}}]}, "row 1"),
    ({"inputs": ROWS}, "no object"),
    ({"inputs": {**columns_of(), "cars": 5}}, "'cars' is no list"),
    ({"inputs": {**columns_of(), "cars": [5]}}, "one value per row"),
    ({"instances": [instance(), instance(spaces="many")]}, "row 1"),
    ({"instances": [instance(fee=float("inf"))]}, "row 0"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_text(shared_service: httpx.Client, document: Any, message: str) -> None:
    response = ask(shared_service, document)

    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    assert message in response.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["/v1/models/another", f"{MODEL}/versions/2", f"{MODEL}/labels/stable", f"{MODEL}/versions/2/metadata"],
)
def test_what_is_not_served_is_not_found(shared_service: httpx.Client, path: str) -> None:
    response = shared_service.get(path)

    assert response.status_code == 404
    assert response.json()["error"]


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_other_verbs_are_not_offered(shared_service: httpx.Client, verb: str) -> None:
    response = ask(shared_service, {"examples": []}, f"{MODEL}:{verb}")

    assert response.status_code == 400
    assert ":predict" in response.json()["error"]
