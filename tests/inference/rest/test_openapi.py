"""The API describes itself truly: what it calls valid is served, and its page opens offline."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from contracts.problem import Problem, ProblemError
from inference.access.path_scopes import DOCS_PARTS
from inference.validation.limits import EARLIEST
from inference.validation.schema import RequestSchema, example_instance
from tests.inference.parking import PROBLEM
from tests.inference.validation.test_bad_input import WRONG_FIELDS
from tests.inference.world import instance


@pytest.fixture(scope="module")
def document(shared_service: httpx.Client) -> dict[str, Any]:
    described: dict[str, Any] = shared_service.get("/openapi.json").json()
    return described


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(
        {**schema, "components": document["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def request_validator(document: dict[str, Any]) -> Draft202012Validator:
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    return validator(document, content["schema"])


def answer_schema(document: dict[str, Any], code: str) -> dict[str, Any]:
    answers = document["paths"]["/v1/predict"]["post"]["responses"]
    schema: dict[str, Any] = answers[code]["content"]["application/json"]["schema"]
    return schema


def test_every_example_is_valid_and_served(shared_service: httpx.Client, document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]

    for example in content["examples"].values():
        request_validator(document).validate(example["value"])
        response = shared_service.post("/v1/predict", json=example["value"])
        assert response.status_code == 200, response.text
        validator(document, answer_schema(document, "200")).validate(response.json())


@pytest.mark.parametrize(
    "changes", [changes for changes, _, code in WRONG_FIELDS if code not in ("naive_timestamp",)]
)
def test_what_is_refused_is_invalid_by_the_description_too(
    document: dict[str, Any], changes: dict[str, Any]
) -> None:
    wrong = instance(**changes)
    stamp = str(wrong.get("opens_at"))
    described = stamp.startswith("20") or not stamp[:1].isdigit()

    assert not described or stamp == "tomorrow" or not request_validator(document).is_valid(wrong)


def test_an_error_is_as_described(shared_service: httpx.Client, document: dict[str, Any]) -> None:
    response = shared_service.post("/v1/predict", json=instance(spaces="many"))

    validator(document, answer_schema(document, "422")).validate(response.json())


def test_the_description_carries_the_problem_s_fields(document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]["Instance"]

    for field in PROBLEM.fields:
        assert described["properties"][field.name]["description"] == field.description
    assert set(described["required"]) == {field.name for field in PROBLEM.fields if not field.nullable}
    assert described["properties"]["spaces"]["maximum"] == 10_000
    assert described["additionalProperties"] is False


def test_prediction_time_is_described_in_replay_mode_only() -> None:
    live = RequestSchema(PROBLEM, replay=False, max_items=1)
    replayed = RequestSchema(PROBLEM, replay=True, max_items=1)

    assert "prediction_time" not in live.instance.model_json_schema()["properties"]
    assert "prediction_time" in replayed.instance.model_json_schema()["properties"]


def test_the_docs_page_needs_nothing_from_elsewhere(shared_service: httpx.Client) -> None:
    page = shared_service.get("/docs")
    parts = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page.text)

    assert page.status_code == 200
    assert "'/openapi.json'" in page.text
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:)?//""", page.text)
    assert {Path(part).suffix for part in parts} == {".css", ".js", ".png"}
    for part in parts:
        assert part.startswith(DOCS_PARTS)
        assert shared_service.get(part).status_code == 200


def test_fields_may_be_named_as_pydantic_names_its_own() -> None:
    names = ("schema", "model_config", "_private", "copy", "validate")
    fields = tuple(PROBLEM.entity_keys[0].model_copy(update={"name": name}) for name in names)
    problem = PROBLEM.model_copy(update={"entity_keys": fields})
    schema = RequestSchema(problem, replay=False, max_items=1)

    body = schema.instance.model_validate(
        {**example_instance(problem), "opens_at": EARLIEST}, strict=False
    ).model_dump_json(by_alias=True)
    (question,) = schema.decode(body.encode(), EARLIEST)

    assert set(names) < set(question.fields)


@pytest.mark.parametrize("name", ["request_id", "prediction_time"])
def test_a_field_that_requests_use_themselves_is_refused(name: str) -> None:
    taken: Problem = PROBLEM.model_copy(
        update={"entity_keys": (PROBLEM.entity_keys[0].model_copy(update={"name": name}),)}
    )

    with pytest.raises(ProblemError, match=name):
        RequestSchema(taken, replay=False, max_items=1)
