"""The client's types and paths are those of the served OpenAPI document, field by field."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest

from inference import errors
from inference.client import answers, calls
from inference.client.errors import RefusedError, error_class
from inference.client.instances import Instance, encode_instances
from tests.inference.world import NOON

DOCUMENTS: Final = {
    answers.Prediction: "PredictionDocument",
    answers.Predictions: "PredictionsDocument",
    answers.Reason: "ReasonDocument",
    answers.Model: "ModelDocument",
    answers.FeatureColumn: "FeatureColumn",
    answers.Window: "Window",
    answers.Versions: "SchemaVersions",
    answers.Follower: "FollowerDocument",
    answers.Ready: "ReadyDocument",
    answers.ServiceWarning: "WarningDocument",
    answers.Receipt: "ReceiptDocument",
    answers.ErrorItem: "ErrorItem",
    answers.ErrorBody: "ErrorBody",
    answers.ErrorDocument: "ErrorDocument",
}
CALLS: Final = {
    ("post", calls.PREDICT): answers.Predictions,
    ("post", calls.EVENTS): answers.Receipt,
    ("get", calls.MODEL): answers.Model,
    ("get", calls.READY): answers.Ready,
}
REFERENCE: Final = "#/components/schemas/"
MEANING: Final = ("type", "format", "items", "additionalProperties", "anyOf", "enum", "$ref")


@pytest.fixture(scope="module")
def document(shared_service: httpx.Client) -> dict[str, Any]:
    described: dict[str, Any] = shared_service.get("/openapi.json").json()
    return described


def meaning(schema: Any) -> Any:
    """What a schema allows, without words about it; a constant is an enumeration of one."""
    if not isinstance(schema, dict):
        return schema
    told = {key: schema[key] for key in MEANING if key in schema}
    if "const" in schema:
        told["enum"] = [schema["const"]]
    if "enum" in told:
        return {"enum": sorted(told["enum"])}
    if "anyOf" in told:
        return {"anyOf": sorted((meaning(choice) for choice in told["anyOf"]), key=repr)}
    return {key: meaning(value) for key, value in told.items()}


def ours() -> dict[str, Any]:
    """The client's types as schemas, by the names that the service gives them."""
    _, components = msgspec.json.schema_components(list(DOCUMENTS), ref_template=REFERENCE + "{name}")
    text = msgspec.json.encode({kind.__name__: components[kind.__name__] for kind in DOCUMENTS}).decode()
    for kind, name in DOCUMENTS.items():
        text = text.replace(f'"{REFERENCE}{kind.__name__}"', f'"{REFERENCE}{name}"')
    schemas: dict[str, Any] = msgspec.json.decode(text)
    return {name: schemas[kind.__name__] for kind, name in DOCUMENTS.items()}


@pytest.mark.parametrize("name", DOCUMENTS.values())
def test_a_type_has_the_fields_that_the_service_describes(document: dict[str, Any], name: str) -> None:
    described, typed = document["components"]["schemas"][name], ours()[name]

    assert {field: meaning(schema) for field, schema in typed["properties"].items()} == {
        field: meaning(schema) for field, schema in described["properties"].items()
    }
    assert set(typed.get("required", ())) == set(described.get("required", ()))


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_path_answers_with_the_type_that_the_client_reads(
    document: dict[str, Any], method: str, path: str
) -> None:
    answered = document["paths"][path][method]["responses"]

    reference = answered["200"]["content"]["application/json"]["schema"]["$ref"]
    assert reference == REFERENCE + DOCUMENTS[CALLS[method, path]]
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
