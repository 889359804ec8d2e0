"""The Open Inference Protocol over HTTP, as Triton's own client speaks it."""

import asyncio
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from inference.prediction_log.reader import read_predictions
from inference.rollout.actions import start
from inference.settings import InferenceSettings
from tests.inference.given_rows import ROWS, arrays_of, columns_of, expected
from tests.inference.parking import PROBLEM
from tests.inference.rollout_world import policy_of
from tests.inference.running import running_server, wait_until
from tests.inference.world import add_version, instance

INFER = f"/v2/models/{PROBLEM.name}/infer"


@pytest.fixture(scope="module")
def client(shared_service: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(shared_service.base_url.netloc.decode()) as opened:
        yield opened


def inputs_of(arrays: dict[str, Any], binary: bool = True, module: Any = triton) -> list[Any]:
    inputs = []
    for name, array in arrays.items():
        datatype = "BYTES" if array.dtype == np.object_ else triton_datatype(array.dtype)
        tensor = module.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return inputs


def triton_datatype(dtype: np.dtype[Any]) -> str:
    kind = {"f": "FP", "i": "INT", "u": "UINT", "b": "BOOL"}[dtype.kind]
    return kind if kind == "BOOL" else f"{kind}{dtype.itemsize * 8}"


def tensor(name: str, values: list[Any], datatype: str = "FP64", **changes: Any) -> dict[str, Any]:
    chosen = {"name": name, "shape": [len(values)], "datatype": datatype, "data": values, **changes}
    return {key: value for key, value in chosen.items() if value is not ...}


def document(**changes: Any) -> dict[str, Any]:
    tensors: dict[str, Any] = {
        name: tensor(name, values, "BYTES" if name == "district" else "FP64")
        for name, values in columns_of().items()
    }
    tensors |= changes
    return {"inputs": [sent for sent in tensors.values() if sent is not ...]}


def test_server_and_model_say_what_they_are(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(PROBLEM.name)
    assert client.is_model_ready(PROBLEM.name, "1")
    assert not client.is_model_ready(PROBLEM.name, "2")
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata(PROBLEM.name)
    assert described["versions"] == ["1"]
    assert [(sent["name"], sent["datatype"], sent["shape"]) for sent in described["inputs"]] == [
        (name, "BYTES" if name == "district" else "FP64", [-1]) for name in columns_of()
    ]


@pytest.mark.parametrize("binary", [True, False])
def test_triton_s_client_is_answered_as_our_own_protocol_answers(
    client: triton.InferenceServerClient, shared_service: httpx.Client, binary: bool
) -> None:
    result = client.infer(PROBLEM.name, inputs_of(arrays_of(), binary), request_id="call-1")

    assert result.as_numpy("prediction").tolist() == expected(shared_service)
    assert result.as_numpy("model_version").tolist() == [b"1"] * len(ROWS)
    assert len(set(result.as_numpy("request_id").tolist())) == len(ROWS)
    assert not result.as_numpy("degraded").any()
    assert result.get_response()["id"] == "call-1"
    assert result.get_response()["parameters"] == {"degraded": False}


@pytest.mark.parametrize("dtype", ["f2", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_every_numeric_datatype_is_a_number(
    client: triton.InferenceServerClient, shared_service: httpx.Client, dtype: str, shape: tuple[int, ...]
) -> None:
    rows = [{**ROWS[0], "cars": 7}, {**ROWS[0], "cars": 100}]
    arrays = arrays_of(rows)
    arrays["cars"] = np.array([7, 100], dtype).reshape(shape)

    assert client.infer(PROBLEM.name, inputs_of(arrays)).as_numpy("prediction").tolist() == expected(
        shared_service, rows
    )


def test_outputs_are_chosen_each_in_its_form(client: triton.InferenceServerClient) -> None:
    wanted = [
        triton.InferRequestedOutput("model_version", binary_data=True),
        triton.InferRequestedOutput("prediction", binary_data=False),
    ]

    result = client.infer(PROBLEM.name, inputs_of(arrays_of()), outputs=wanted)

    raw, plain = result.get_response()["outputs"]
    assert (raw["name"], raw["parameters"]) == ("model_version", {"binary_data_size": 5 * len(ROWS)})
    assert (plain["name"], len(plain["data"])) == ("prediction", len(ROWS))
    assert result.as_numpy("degraded") is None


def test_the_asynchronous_client_is_answered_too(shared_service: httpx.Client) -> None:
    async def ask() -> list[float]:
        async with triton_aio.InferenceServerClient(shared_service.base_url.netloc.decode()) as opened:
            inputs = inputs_of(arrays_of(), module=triton)
            result = await opened.infer(PROBLEM.name, inputs)
            predictions: list[float] = result.as_numpy("prediction").tolist()
            return predictions

    assert asyncio.run(ask()) == expected(shared_service)


def test_request_fields_in_their_stead_are_looked_up(
    client: triton.InferenceServerClient, shared_service: httpx.Client
) -> None:
    asked = instance()
    arrays = {
        name: np.array([asked[name]], np.object_) for name in ("site", "opens_at", "prediction_time")
    } | {"spaces": np.array([asked["spaces"]], np.int64), "fee": np.array([np.nan])}

    result = client.infer(PROBLEM.name, inputs_of(arrays))

    looked_up = shared_service.post("/v1/predict", json=instance(fee=None)).json()["predictions"]
    assert result.as_numpy("prediction").tolist() == [answer["prediction"] for answer in looked_up]


def test_each_row_is_logged_once_as_our_own_protocol_logs_it(
    settings: InferenceSettings, service: httpx.Client
) -> None:
    ids = [f"row-{place}" for place in range(len(ROWS))]
    sent = document(request_id=tensor("request_id", ids, "BYTES"))
    own = [{"features": row, "request_id": f"own-{place}"} for place, row in enumerate(ROWS)]

    answers = [service.post(INFER, json=sent).json() for _ in range(2)]
    service.post("/v1/predict", json={"instances": own})

    assert answers[0] == answers[1]
    now = datetime.now(UTC)
    logged = read_predictions(settings, now - timedelta(hours=1), now + timedelta(hours=1))
    assert len(logged) == 2 * len(ROWS)
    told_apart = ["request_id", "prediction_time", "logged_at", "latency_ms"]
    theirs, ours = (
        logged[logged["request_id"].str.startswith(prefix)].sort_values("request_id").drop(columns=told_apart)
        for prefix in ("row-", "own-")
    )
    pd.testing.assert_frame_equal(theirs.reset_index(drop=True), ours.reset_index(drop=True))


@pytest.mark.parametrize("named", [{"id": None}, {"id": None, "parameters": None, "outputs": None}])
def test_null_is_absent(shared_service: httpx.Client, named: dict[str, Any]) -> None:
    tensors = [{**sent, "parameters": None} for sent in document()["inputs"]]
    wanted = {"outputs": [{"name": "prediction", "parameters": None}]}

    plain = shared_service.post(INFER, json=document()).json()["outputs"]
    for message in ({"inputs": tensors, **named}, {"inputs": tensors, **named, **wanted}):
        answered = shared_service.post(INFER, json=message)
        assert answered.status_code == 200, answered.text
        assert answered.json()["outputs"][0] == plain[0]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"inputs": document()["inputs"][1:]}, "lacks ['cars']"),
    (document(colour=tensor("colour", [1, 2, 3])), "'colour' is no input"),
    (document(again=tensor("hour", [1, 2, 3])), "'hour' is sent twice"),
    (document(cars=tensor("cars", [1, 2])), "one value per row"),
    (document(cars=tensor("cars", [1, 2], shape=[3])), "has 2 elements"),
    (document(cars=tensor("cars", [1, 2, 3], shape=[1, 3])), "one column"),
    (document(cars=tensor("cars", [1, 2, 3], shape=[])), "one column"),
    (document(cars=tensor("cars", [], shape=[0])), "no rows"),
    (document(cars=tensor("cars", [1], shape=[-1])), "no rows"),
    (document(cars=tensor("cars", [1, 2, 3], "BF16")), "datatype 'BF16'"),
    (document(cars=tensor("cars", [1, 2, 3.5], "INT64")), "element 2"),
    (document(cars=tensor("cars", [1, 2, 300], "INT8")), "wider datatype"),
    (document(cars=tensor("cars", [1, 2, 10**400], "FP64")), "wider datatype"),
    (document(cars=tensor("cars", ["1", "2", "3"], "BYTES")), "row 0"),
    (document(cars=tensor("cars", [True, False, True], "BOOL")), "row 0"),
    (document(cars=tensor("cars", [1, 2, "3"])), "element 2"),
    (document(cars=tensor("cars", [1, 2, 1e39])), "row 2"),
    (document(district=tensor("district", [1, 2, 3])), "row 0"),
    (document(district=tensor("district", ["a", "b", "c" * 300], "BYTES")), "row 2"),
    (document(district=tensor("district", ["a", "b", 5], "BYTES")), "element 2"),
    (document(cars=tensor("cars", [1, 2, 3], data=...)), "no contents"),
    (document(cars=tensor("cars", [1, 2, 3], parameters={"binary_data_size": 24})), "no contents, or two"),
    (document(cars=tensor("cars", [1, 2, 3], parameters={"shared_memory_region": "r"})), "shared_memory"),
    ({**document(), "outputs": [{"name": "probability"}]}, "no output"),
    ({**document(), "outputs": [{"name": "prediction"}] * 2}, "asked for twice"),
    ({**document(), "outputs": [{"name": "prediction", "parameters": {"classification": 1}}]}, "'classif"),
    ({"inputs": []}, "no rows"),
    ({"inputs": {}}, "$.inputs"),
    ({"inputs": [{"name": "cars"}]}, "$.inputs[0]"),
    ({**document(), "id": 5}, "$.id"),
    ({"inputs": None}, "`inputs`"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "message"), WRONG)
def test_what_is_wrong_is_said_in_the_protocol_s_words(
    shared_service: httpx.Client, sent: dict[str, Any], message: str
) -> None:
    response = shared_service.post(INFER, json=sent)

    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    assert message in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v2/models/another/infer", "'parking'"),
        (f"/v2/models/{PROBLEM.name}/versions/2/infer", "'1' is"),
    ],
)
def test_another_model_or_version_is_not_found(shared_service: httpx.Client, path: str, says: str) -> None:
    response = shared_service.post(path, json=document())

    assert response.status_code == 404
    assert says in response.json()["error"]


def test_a_version_may_be_named(shared_service: httpx.Client) -> None:
    answer = shared_service.post(f"/v2/models/{PROBLEM.name}/versions/1/infer", json=document()).json()

    assert answer["model_version"] == "1"
    assert answer["outputs"][0]["data"] == expected(shared_service)


def framed(header: dict[str, Any], raw: bytes, length: int | None = None) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(header).encode()
    return text + raw, {"Inference-Header-Content-Length": str(len(text) if length is None else length)}


def raw_document(
    raw: bytes, size: int, rows: int = 3, datatype: str = "FP64", name: str = "cars"
) -> tuple[dict[str, Any], bytes]:
    sent = tensor(name, [], datatype, shape=[rows], data=..., parameters={"binary_data_size": size})
    return document(**{name: sent}), raw


NUMBERS = struct.pack("<3d", 1.0, 2.0, float("nan"))
LIES = [
    (raw_document(NUMBERS, 2**40), None, "2", 400),
    (raw_document(NUMBERS, -1), None, "bytes are left", 400),
    (raw_document(NUMBERS, 16), None, "has 16 bytes", 400),
    (raw_document(NUMBERS + b"x", 24), None, "after the last tensor", 400),
    (raw_document(NUMBERS, 24, rows=2**40), None, "send at most", 413),
    (raw_document(NUMBERS, 24, datatype="FP32"), None, "3 of FP32 are 12", 400),
    (raw_document(NUMBERS, 24), 10**6, "the body has", 400),
    (raw_document(NUMBERS, 24), 5, "not JSON", 400),
    (raw_document(struct.pack("<I", 2**32 - 1), 4, 3, "BYTES", "district"), None, "ends within", 400),
    (raw_document(b"\x01\0\0\0\xff" + bytes(8), 13, 3, "BYTES", "district"), None, "UTF-8", 400),
    (raw_document(bytes(16), 16, 3, "BYTES", "district"), None, "after its 3 elements", 400),
]


@pytest.mark.parametrize(("sent", "length", "message", "status"), LIES)
def test_lengths_that_lie_are_refused(
    shared_service: httpx.Client,
    sent: tuple[dict[str, Any], bytes],
    length: int | None,
    message: str,
    status: int,
) -> None:
    body, headers = framed(*sent, length=length)

    response = shared_service.post(INFER, content=body, headers=headers)

    assert response.status_code == status, response.text
    assert message in response.json()["error"]


@pytest.mark.parametrize("length", ["", "x", "-1", "1" * 30, "½"])
def test_a_header_length_that_is_no_number_is_refused(shared_service: httpx.Client, length: str) -> None:
    headers = {b"Inference-Header-Content-Length": length.encode()}

    assert shared_service.post(INFER, json=document(), headers=headers).status_code == 400


def test_nan_is_missing_and_infinity_is_refused(shared_service: httpx.Client) -> None:
    missing = json.dumps(document(cars=tensor("cars", [1.0, float("nan"), 3.0])))
    infinite = json.dumps(document(cars=tensor("cars", [1.0, float("inf"), 3.0])))

    assert (
        shared_service.post(INFER, content=missing).json()["outputs"][0]["data"][1]
        == expected(shared_service, [{**ROWS[0], "cars": None}]).pop()
    )
    refused = shared_service.post(INFER, content=infinite)
    assert (refused.status_code, "row 1" in refused.json()["error"]) == (400, True)


def test_a_body_in_another_coding_than_gzip_is_refused(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="send gzip"):
        client.infer(PROBLEM.name, inputs_of(arrays_of()), request_compression_algorithm="deflate")


def test_versions_are_told_in_headers_too(shared_service: httpx.Client) -> None:
    response = shared_service.post(INFER, json=document())

    assert (response.headers["x-model-version"], response.headers["x-degraded"]) == ("1", "false")


def test_a_named_version_is_never_answered_by_another(settings: InferenceSettings, champion: str) -> None:
    named = f"/v2/models/{PROBLEM.name}/versions/{champion}/infer"
    with running_server(settings) as client:
        start(settings.registry, PROBLEM.name, add_version(settings, 2.0), policy_of("ab"), "in a test")
        wait_until(lambda: client.post(INFER, json=document()).headers["x-model-version"] != champion, "both")

        answers = [client.post(named, json=one_row()) for _ in range(60)]

    assert {answer.status_code for answer in answers} == {200, 409}
    assert {answer.json().get("model_version", champion) for answer in answers} == {champion}


def one_row() -> dict[str, Any]:
    tensors = [
        tensor(name, [value], "BYTES" if name == "district" else "FP64") for name, value in ROWS[0].items()
    ]
    return {"inputs": tensors}


def test_degraded_answers_say_so(settings: InferenceSettings, service: httpx.Client) -> None:
    for beside in ("", "-wal", "-shm"):
        settings.features.online_db.with_name(settings.features.online_db.name + beside).unlink(
            missing_ok=True
        )
    asked = instance()
    fields = [tensor(name, [asked[name]], "BYTES") for name in ("site", "opens_at")]

    response = service.post(INFER, json={"inputs": [*fields, tensor("spaces", [asked["spaces"]], "INT64")]})

    assert response.json()["parameters"] == {"degraded": True}
    assert response.headers["x-degraded"] == "true"
