"""The true request schema in OpenAPI, although the fast route decodes its body itself."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from features.errors import FeatureError
from features.schema.feature_column import FeatureColumn
from features.settings import FeatureSettings
from features.streaming.loading import read_definition
from inference.access.description import extend_openapi
from inference.rest.application_state import ApplicationState
from inference.validation.given_features import LARGEST
from inference.validation.limits import FEATURES, INSTANCES, LONGEST_TEXT, REQUEST_ID
from inference.validation.request_models import FEATURES_TEXT
from inference.validation.schema import RequestSchema, example_instance

REFERENCE = "#/components/schemas/{model}"
# Events' types have names of their own: a repository may call one as the service calls a document.
EVENT_REFERENCE = "#/components/schemas/event.{model}"
PREDICT, EVENTS = "/v1/predict", "/v1/events"
VALUES: Final[dict[str, dict[str, Any]]] = {
    "categorical": {"type": ["string", "null"], "maxLength": LONGEST_TEXT},
    "numeric": {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST},
}
EXAMPLES: Final[dict[str, str | float]] = {"categorical": "a", "numeric": 1.0}


def describe_requests(app: FastAPI, schema: RequestSchema) -> None:
    """Have `app.openapi()` carry the models that `schema` decodes with, and examples.

    The features that callers may give are those of the champion; another one has the document made anew.
    Call it after whatever else describes the application.
    """
    build = app.openapi
    described: list[Sequence[FeatureColumn]] = []

    def openapi() -> dict[str, Any]:
        columns = _served_columns(app)
        if app.openapi_schema is None or described != [columns]:
            app.openapi_schema = None
            document = build()
            document["components"]["schemas"].update(_definitions(schema, columns))
            document["paths"][PREDICT]["post"]["requestBody"] = _request_body(schema, columns)
            described[:] = [columns]
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def describe_events(app: FastAPI, settings: FeatureSettings, most: int) -> None:
    """Have `app.openapi()` carry the events that the feature repository declares; `most` may come at once."""
    extend_openapi(app, lambda document: _add_events(document, settings, most))


def _add_events(document: dict[str, Any], settings: FeatureSettings, most: int) -> None:
    try:
        events = read_definition(settings).events.json_schema(ref_template=EVENT_REFERENCE)
    except FeatureError:
        return  # there are none; whoever sends one is told why
    definitions = events.pop("$defs", {})
    document["components"]["schemas"] |= {f"event.{name}": schema for name, schema in definitions.items()}
    many = {
        "type": "object",
        "properties": {"events": {**events, "minItems": 1, "maxItems": most}},
        "required": ["events"],
        "additionalProperties": False,
    }
    content = document["paths"][EVENTS]["post"]["requestBody"]["content"]["application/json"]
    content["schema"] = {"anyOf": [events["items"], many]}


def _served_columns(app: FastAPI) -> Sequence[FeatureColumn]:
    running: ApplicationState | None = getattr(app.state, "running", None)
    served = running.follower.served if running else None
    return served.columns if served else ()


def _definitions(schema: RequestSchema, columns: Sequence[FeatureColumn]) -> dict[str, Any]:
    models = [(model, "validation") for model in (schema.envelope, schema.instance, schema.given_instance)]
    _, document = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]
    definitions: dict[str, Any] = document["$defs"]
    if columns:
        definitions[schema.given_instance.__name__]["properties"][FEATURES] = _features(columns)
    return definitions


def _features(columns: Sequence[FeatureColumn]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": FEATURES_TEXT,
        "properties": {column.name: VALUES[column.kind] for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
    }


def _request_body(schema: RequestSchema, columns: Sequence[FeatureColumn]) -> dict[str, Any]:
    models = (schema.envelope, schema.instance, schema.given_instance)
    instance = example_instance(schema.problem)
    examples: dict[str, Any] = {
        "many": {INSTANCES: [{**instance, REQUEST_ID: "example-1"}, instance]},
        "one": instance,
    }
    if columns:
        examples["features given"] = {FEATURES: {column.name: EXAMPLES[column.kind] for column in columns}}
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"$ref": REFERENCE.format(model=model.__name__)} for model in models]},
                "examples": {name: {"value": value} for name, value in examples.items()},
            }
        },
    }
