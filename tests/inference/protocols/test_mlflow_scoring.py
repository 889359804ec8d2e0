"""MLflow's scoring surface, asked by MLflow's own client."""

from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.protos import databricks_pb2
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from inference.protocols.mlflow_scoring.adapter import ERROR_CODES, OTHER_ERROR
from tests.inference.given_rows import ROWS, columns_of, expected
from tests.inference.world import instance


@pytest.fixture(scope="module")
def client(shared_service: httpx.Client) -> ScoringServerClient:
    return ScoringServerClient(shared_service.base_url.host, shared_service.base_url.port)


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS)


def csv(text: str | bytes, **headers: str) -> dict[str, Any]:
    return {"content": text, "headers": {"content-type": "text/csv", **headers}}


def test_mlflow_s_client_is_answered_as_our_own_protocol_answers(
    client: ScoringServerClient, shared_service: httpx.Client
) -> None:
    client.wait_server_ready(timeout=5)

    answer = client.invoke(frame())

    assert answer.get_predictions()[0].tolist() == expected(shared_service)
    assert client.get_version() == mlflow.__version__


def test_every_form_of_a_frame_is_read(shared_service: httpx.Client) -> None:
    split = {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}
    forms: list[dict[str, Any]] = [
        {"dataframe_split": split},
        {"dataframe_split": {**split, "index": [3, 4, 5]}, "params": {}},
        {"dataframe_records": ROWS},
        {"instances": ROWS},
        {"inputs": columns_of()},
        {"inputs": ROWS},
        {"inputs": ROWS, "instances": None, "params": None},
    ]

    answers = [shared_service.post("/invocations", json=form) for form in forms]

    assert [answer.json() for answer in answers] == [{"predictions": expected(shared_service)}] * len(forms)
    assert {answer.headers["x-model-version"] for answer in answers} == {"1"}


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "Text/CSV;charset=UTF-8"])
def test_csv_is_read_as_the_columns_are_declared(shared_service: httpx.Client, content_type: str) -> None:
    response = shared_service.post(
        "/invocations", **csv(frame().to_csv(index=False), **{"content-type": content_type})
    )

    assert response.json() == {"predictions": expected(shared_service)}


def test_csv_of_request_fields_is_looked_up(shared_service: httpx.Client) -> None:
    asked = [instance(), instance("east", fee=None)]

    response = shared_service.post("/invocations", **csv(pd.DataFrame(asked).to_csv(index=False)))

    own = shared_service.post("/v1/predict", json={"instances": asked}).json()["predictions"]
    assert response.json() == {"predictions": [answer["prediction"] for answer in own]}


def test_a_frame_with_numpy_s_own_numbers_is_read(
    client: ScoringServerClient, shared_service: httpx.Client
) -> None:
    typed = frame().astype({"capacity": np.int32, "cars": np.float32, "hour": np.int8})

    assert client.invoke(typed).get_predictions()[0].tolist() == expected(shared_service)


WRONG: list[tuple[Any, str]] = [
    ([], "no JSON object"),
    ({}, "exactly one of"),
    ({"dataframe_records": ROWS, "instances": ROWS}, "exactly one of"),
    ({"dataframe_records": ROWS, "params": {"temperature": 1}}, "takes no params"),
    ({"dataframe_split": ROWS}, "is an object"),
    ({"dataframe_split": {"columns": list(ROWS[0]), "data": 5}}, "are lists"),
    ({"dataframe_split": {"columns": list(ROWS[0]), "data": [[1]]}}, "row 0 has not one value"),
    ({"dataframe_split": {"columns": ["cars", "cars"], "data": [[1, 2]]}}, "there twice"),
    ({"dataframe_split": {"columns": ["cars", 5], "data": [[1, 2]]}}, "is no text"),
    ({"dataframe_split": {"columns": ["cars"], "data": []}}, "no rows"),
    ({"dataframe_records": [{**ROWS[0], "colour": 1}]}, "'colour' is no input"),
    ({"dataframe_records": [{**ROWS[0], "cars": "1"}]}, "row 0"),
    ({"instances": columns_of()}, "is no list"),
    ({"inputs": [[1.0, 2.0]]}, "row 0 is no object"),
    ({"inputs": 5}, "no object"),
]


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    document = response.json()
    assert set(document) == {"error_code", "message"}
    assert document["error_code"] == ERROR_CODES.get(status, OTHER_ERROR)
    return str(document["message"])


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_what_is_wrong_is_said_as_mlflow_says_it(
    shared_service: httpx.Client, document: Any, message: str
) -> None:
    assert message in error_of(shared_service.post("/invocations", json=document), 400)


HEADER = ",".join(ROWS[0])
WRONG_CSV: list[tuple[str | bytes, str]] = [
    ("", "no rows"),
    (f"{HEADER}\n", "no rows"),
    (f"{HEADER}\n1,2\n", "row 0 has 2 cells"),
    (f",{HEADER}\n0,1,2,3,hill,5,6\n", "'' is no input"),
    (f"{HEADER}\n1,2,3,hill,five,6\n", "row 0"),
    (f"{HEADER}\n1,2,3,hill,1_000,6\n", "row 0"),
    (f"{HEADER}\n1,2,3,hill,inf,6\n", "row 0"),
    (f'{HEADER}\n1,2,3,"hill,5,6\n', "no CSV"),
    (b"\xff\xfe", "no CSV"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_CSV)
def test_wrong_csv_is_refused(shared_service: httpx.Client, text: str | bytes, message: str) -> None:
    assert message in error_of(shared_service.post("/invocations", **csv(text)), 400)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json; charset=latin-1", "application/vnd.apache.parquet", ";", "½"],
)
def test_another_content_type_is_refused(shared_service: httpx.Client, content_type: str) -> None:
    response = shared_service.post(
        "/invocations", content=b"{}", headers={b"content-type": content_type.encode()}
    )

    assert "application/json" in error_of(response, 415)


def test_error_codes_are_mlflow_s_own() -> None:
    assert {*ERROR_CODES.values(), OTHER_ERROR} <= set(databricks_pb2.ErrorCode.keys())
