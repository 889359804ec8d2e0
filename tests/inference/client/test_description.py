"""The client's types and paths are those of the served OpenAPI document."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest

from inference import documents, errors
from inference.client import calls
from inference.client.errors import RefusedError, error_class
from inference.client.instances import Instance, encode_instances
from inference.core.answer import Answer
from tests.inference.world import NOON

CALLS: Final = {
    ("post", calls.PREDICT): documents.Predictions,
    ("post", calls.EVENTS): documents.Receipt,
    ("get", calls.MODEL): documents.Model,
    ("get", calls.READY): documents.Ready,
}
REFERENCE: Final = "#/components/schemas/"


@pytest.fixture(scope="module")
def document(shared_service: httpx.Client) -> dict[str, Any]:
    described: dict[str, Any] = shared_service.get("/openapi.json").json()
    return described


def test_a_prediction_is_written_with_the_fields_that_are_described() -> None:
    written, described = (fields_of(kind) for kind in (Answer, documents.Prediction))

    assert written["Answer"] == described["Prediction"]
    assert written["Reason"] == described["Reason"]


def fields_of(kind: type) -> dict[str, Any]:
    """The fields of a type and of those in it, by its name, and which of them are always there."""
    types = msgspec.json.schema(kind)["$defs"]
    return {name: (described["properties"], described["required"]) for name, described in types.items()}


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_path_answers_with_the_type_that_the_client_reads(
    document: dict[str, Any], method: str, path: str
) -> None:
    answered = document["paths"][path][method]["responses"]

    reference = answered["200"]["content"]["application/json"]["schema"]["$ref"]
    assert reference == REFERENCE + CALLS[method, path].__name__
    refused = {
        code: answer["content"]["application/json"]["schema"]["$ref"]
        for code, answer in answered.items()
        if code != "200"
    }
    assert set(refused.values()) <= {REFERENCE + "ErrorDocument"}


def test_reasons_are_asked_for_as_described(document: dict[str, Any]) -> None:
    call = calls.predict_call([{}], explain=True, request_id=None)
    parameters = document["paths"][calls.PREDICT]["post"]["parameters"]

    assert set(call.query) <= {parameter["name"] for parameter in parameters if parameter["in"] == "query"}


def test_an_instance_uses_the_names_that_requests_use(document: dict[str, Any]) -> None:
    whole = Instance({}, features={"a": 1.0}, prediction_time=NOON)

    sent = msgspec.json.decode(encode_instances([whole]))["instances"][0]

    described = document["components"]["schemas"].values()
    known = {name for schema in described for name in schema.get("properties", {})}
    assert set(sent) == {"request_id", "features", "prediction_time"} <= known


def kinds_of(base: type[errors.InferenceError]) -> Iterator[type[errors.InferenceError]]:
    """Every error that the service answers on its own paths; the protocols' are their own clients'."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("inference.") and not kind.__module__.startswith("inference.protocols"):
            yield kind
        yield from kinds_of(kind)


def test_every_error_code_of_the_service_has_a_class_of_its_own(shared_service: httpx.Client) -> None:
    served = {kind.code for kind in kinds_of(errors.InferenceError)} | {errors.InferenceError.code}

    known = {kind.code for kind in RefusedError.__subclasses__()}

    assert known == served
    assert all(error_class(code) is not RefusedError for code in known if code)
