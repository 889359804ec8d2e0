"""`/invocations`, `/ping`, `/health` and `/version`: MLflow's scoring server's surface."""

from importlib.metadata import version as installed_version
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from inference.protocols.documents import MlflowErrorDocument, RowPredictionsDocument
from inference.protocols.http_response import answer_request
from inference.protocols.mlflow_scoring.adapter import MLFLOW
from inference.protocols.served_name import Address
from inference.rest.application_state import state_of
from inference.rest.responses import describe_refusals

router = APIRouter(tags=["mlflow"])

# What the registry is read with; asked for its version without the second that importing it takes.
MLFLOW_PACKAGE: Final = "mlflow-skinny"
REFUSALS: Final = {
    400: "Not a frame of this model.",
    409: "A request id was answered before for other values.",
    413: "Too many rows, or too many bytes.",
    415: "Another content type or charset, or another content encoding than gzip.",
    503: "No model is loaded yet, or nothing can be looked up or logged.",
}
RESPONSES: Final = describe_refusals(MlflowErrorDocument, REFUSALS)
RECORDS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "object"}, "minItems": 1}
SPLIT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "items": {"type": "array", "items": {}}, "minItems": 1},
        "index": {"type": "array", "items": {}},
    },
    "additionalProperties": False,
}
COLUMNS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
FORMS: Final = {
    "dataframe_split": SPLIT,
    "dataframe_records": RECORDS,
    "inputs": COLUMNS,
    "instances": RECORDS,
}
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"type": "object", "required": [name], "properties": {name: form}}
                        for name, form in FORMS.items()
                    ]
                }
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "/invocations",
    response_class=Response,
    responses={200: {"model": RowPredictionsDocument}, **RESPONSES},
    openapi_extra=BODY,
)
async def invoke(request: Request) -> Response:
    """Predict for the rows of a frame."""
    # The path names no model: the one that is served is meant.
    return await answer_request(MLFLOW, request, Address(state_of(request).schema.problem.name))


@router.get("/ping", response_class=Response, responses={503: RESPONSES[503]})
@router.get("/health", response_class=Response, responses={503: RESPONSES[503]})
async def ping(request: Request) -> Response:
    """A model is loaded and warmed."""
    state_of(request).follower.require_serving()
    return Response("\n", media_type="application/json")


@router.get("/version", response_class=Response)
async def get_version() -> Response:
    """The version of MLflow whose scoring protocol is spoken."""
    return Response(installed_version(MLFLOW_PACKAGE), media_type="application/json")
