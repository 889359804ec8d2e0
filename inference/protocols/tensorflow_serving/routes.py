"""`/v1/models`: TensorFlow Serving's REST surface."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from inference.protocols.documents import (
    ROW_REFUSALS,
    ColumnPredictionsDocument,
    ErrorTextDocument,
    RowPredictionsDocument,
)
from inference.protocols.errors import UnsupportedOperationError
from inference.protocols.http_response import address_of, answer_request, described
from inference.protocols.served_name import addressed_model, signatures_of
from inference.protocols.tensorflow_serving.adapter import TENSORFLOW_SERVING
from inference.protocols.tensorflow_serving.description import model_metadata, model_status
from inference.rest.application_state import state_of
from inference.rest.responses import Responses, describe_refusals

router = APIRouter(prefix="/v1/models", tags=["tensorflow serving"])

MODEL: Final = "/{name}"
VERSION: Final = "/{name}/versions/{version}"
LABEL: Final = "/{name}/labels/{label}"
REFUSALS: Final = {**ROW_REFUSALS, 404: "Another model, version or label than the one served."}
RESPONSES: Final = describe_refusals(ErrorTextDocument, REFUSALS)
NOT_SERVED: Final[Responses] = {code: RESPONSES[code] for code in (404, 503)}
ANSWERS: Final[Responses] = {
    200: {"model": RowPredictionsDocument | ColumnPredictionsDocument},
    **RESPONSES,
}
ROWS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["instances"],
    "properties": {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    },
}
COLUMNS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "signature_name": {"type": "string"},
        "inputs": {"type": "object", "additionalProperties": {"type": "array", "items": {}}},
    },
}
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [ROWS, COLUMNS]}}},
    }
}


@router.get(MODEL, responses=NOT_SERVED, openapi_extra=described(MODEL))
@router.get(VERSION, responses=NOT_SERVED, openapi_extra=described(VERSION))
@router.get(LABEL, responses=NOT_SERVED, openapi_extra=described(LABEL))
async def get_status(request: Request) -> dict[str, Any]:
    """Which version is available."""
    return model_status(addressed_model(state_of(request), address_of(request)))


@router.get(f"{MODEL}/metadata", responses=NOT_SERVED, openapi_extra=described(MODEL))
@router.get(f"{VERSION}/metadata", responses=NOT_SERVED, openapi_extra=described(VERSION))
@router.get(f"{LABEL}/metadata", responses=NOT_SERVED, openapi_extra=described(LABEL))
async def get_metadata(request: Request) -> dict[str, Any]:
    """The signatures: `serving_default` by features, `fields` by the request's fields."""
    state = state_of(request)
    model = addressed_model(state, address_of(request))
    return model_metadata(model, signatures_of(state, model))


async def predict(request: Request) -> Response:
    """Predict for rows (`instances`) or columns (`inputs`)."""
    return await answer_request(TENSORFLOW_SERVING, request, address_of(request))


async def refuse_verb(request: Request) -> Response:
    """Say that classify and regress are not offered."""
    verb = request.path_params["verb"]
    raise UnsupportedOperationError(f"{verb[:32]!r} is not offered; use :predict, whose answer is the number")


for place in (MODEL, VERSION, LABEL):
    router.post(
        f"{place}:predict", response_class=Response, responses=ANSWERS, openapi_extra=described(place, **BODY)
    )(predict)
    router.post(f"{place}:{{verb}}", include_in_schema=False)(refuse_verb)
