"""Bodies may come as gzip on every route, within the limit of what they unpack to."""

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from tests.inference.given_rows import arrays_of, columns_of, expected
from tests.inference.parking import PROBLEM
from tests.inference.running import running_server
from tests.inference.world import add_version, instance, set_champion, world_settings

MOST_BYTES = 100_000
FIELDS = {name: value for name, value in instance().items() if name != "prediction_time"}
BODIES: dict[str, Any] = {
    "/v1/predict": {"instances": [instance(), instance("south")]},
    "/v1/predict?explain=false": instance(),
    f"/v2/models/{PROBLEM.name}/infer": {
        "inputs": [{"name": name, "shape": [1], "datatype": "BYTES" if name in ("site", "opens_at") else
                    "FP64" if name == "fee" else "INT64", "data": [value]} for name, value in FIELDS.items()],
        "outputs": [{"name": "prediction"}],
    },
    f"/v1/models/{PROBLEM.name}:predict": {"signature_name": "fields", "instances": [FIELDS]},
    f"/v1/models/{PROBLEM.name}/versions/1:predict": {"signature_name": "fields", "instances": [FIELDS]},
    "/invocations": {"dataframe_records": [FIELDS]},
}  # fmt: skip
ROUTES = [*BODIES, "/v1/events"]


@pytest.fixture(scope="module")
def limited(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    var = tmp_path_factory.mktemp("coding") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var, max_body_bytes=MOST_BYTES)
    set_champion(settings, add_version(settings, 1.0))
    with running_server(settings) as client:
        yield client


def send(client: httpx.Client, path: str, content: bytes, coding: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/json", **({"content-encoding": coding} if coding else {})}
    return client.post(path, content=content, headers=headers)


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
@pytest.mark.parametrize("path", BODIES)
def test_gzip_is_answered_as_what_it_holds(limited: httpx.Client, path: str, coding: str) -> None:
    body = json.dumps(BODIES[path]).encode()

    plain, packed = send(limited, path, body), send(limited, path, gzip.compress(body), coding)

    assert plain.status_code == packed.status_code == 200, packed.text
    assert without_ids(packed.json()) == without_ids(plain.json())


def without_ids(document: Any) -> Any:
    """A document without the request ids that the service draws."""
    if isinstance(document, dict):
        return {name: without_ids(value) for name, value in document.items() if name != "request_id"}
    return [without_ids(value) for value in document] if isinstance(document, list) else document


@pytest.mark.parametrize("path", ROUTES)
def test_gzip_that_unpacks_to_more_than_a_body_may_have_is_too_large(
    limited: httpx.Client, path: str
) -> None:
    packed = gzip.compress(b" " * (MOST_BYTES + 1))

    assert send(limited, path, packed, "gzip").status_code == 413


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "none"])
@pytest.mark.parametrize("path", ROUTES)
def test_other_codings_are_refused(limited: httpx.Client, path: str, coding: str) -> None:
    answer = send(limited, path, zlib.compress(b"{}"), coding)

    assert answer.status_code == 415
    assert "gzip" in answer.text
    assert answer.headers["accept-encoding"] == "gzip"


NOT_WHOLE = {
    "empty": b"",
    "plain": b"{}",
    "cut off": gzip.compress(b"{}")[:-4],
    "two in a row": gzip.compress(b"{}") * 2,
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("damage", NOT_WHOLE)
def test_what_is_no_whole_gzip_is_said(limited: httpx.Client, path: str, damage: str) -> None:
    answer = send(limited, path, NOT_WHOLE[damage], "gzip")

    assert answer.status_code == 400
    assert "gzip" in answer.text


def test_triton_s_client_may_pack_what_it_sends(limited: httpx.Client) -> None:
    inputs = []
    for name, array in arrays_of().items():
        tensor = triton.InferInput(name, list(array.shape), "BYTES" if array.dtype == object else "FP64")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    assert list(columns_of()) == [tensor.name() for tensor in inputs]

    with triton.InferenceServerClient(limited.base_url.netloc.decode()) as client:
        result = client.infer(PROBLEM.name, inputs, request_compression_algorithm="gzip")

    assert np.asarray(result.as_numpy("prediction")).tolist() == expected(limited)
