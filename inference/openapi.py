"""The true request schema in OpenAPI, although the hot route decodes its body itself."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from inference.request_schema import RequestSchema, example_instance

REFERENCE = "#/components/schemas/{model}"
PREDICT = "/v1/predict"


def describe_requests(app: FastAPI, schema: RequestSchema) -> None:
    """Have `app.openapi()` carry the models that `schema` decodes with, and an example of the problem."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = build()
            document["components"]["schemas"].update(_definitions(schema))
            document["paths"][PREDICT]["post"]["requestBody"] = _request_body(schema)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _definitions(schema: RequestSchema) -> dict[str, Any]:
    models = [(schema.envelope, "validation"), (schema.instance, "validation")]
    _, document = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]
    definitions: dict[str, Any] = document["$defs"]
    return definitions


def _request_body(schema: RequestSchema) -> dict[str, Any]:
    names = [model.__name__ for model in (schema.envelope, schema.instance)]
    instance = example_instance(schema.problem)
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"$ref": REFERENCE.format(model=name)} for name in names]},
                "examples": {
                    "many": {"value": {"instances": [{**instance, "request_id": "example-1"}, instance]}},
                    "one": {"value": instance},
                },
            }
        },
    }
