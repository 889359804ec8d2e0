"""`/v2`: the Open Inference Protocol over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response

from inference.protocols.documents import (
    ROW_REFUSALS,
    ErrorTextDocument,
    InferResponseDocument,
    ModelMetadataDocument,
    ModelReadyDocument,
    ServerLiveDocument,
    ServerMetadataDocument,
    ServerReadyDocument,
)
from inference.protocols.http_response import address_of, answer_request, described
from inference.protocols.open_inference.grpc_server import grpc_port
from inference.protocols.open_inference.http_adapter import OPEN_INFERENCE
from inference.protocols.open_inference.metadata import model_metadata, server_metadata
from inference.protocols.served_name import addressed_model
from inference.rest.application_state import state_of
from inference.rest.responses import Responses, describe_refusals


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with grpc_port(app.state.running):
        yield


router = APIRouter(prefix="/v2", tags=["open inference protocol"], lifespan=_lifespan)

MODEL: Final = "/models/{name}"
VERSION: Final = "/models/{name}/versions/{version}"
REFUSALS: Final = {**ROW_REFUSALS, 404: "Another model or version than the one served."}
RESPONSES: Final = describe_refusals(ErrorTextDocument, REFUSALS)
ANSWERS: Final[Responses] = {200: {"model": InferResponseDocument}, **RESPONSES}
NOT_SERVED: Final[Responses] = {code: RESPONSES[code] for code in (404, 503)}
TENSOR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
OUTPUT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
}
REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "description": "One tensor for each feature that GET /v2/models/{name} names, or for each request field. "
    "Contents are data, or binary_data_size bytes after the JSON, whose length the header "
    "Inference-Header-Content-Length says.",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": TENSOR, "minItems": 1},
        "outputs": {"type": "array", "items": OUTPUT},
    },
}
BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": REQUEST}}}
}


@router.get("")
async def get_server() -> ServerMetadataDocument:
    """The server, and the extensions it knows."""
    return ServerMetadataDocument(**server_metadata())


@router.get("/health/live")
async def get_live() -> ServerLiveDocument:
    """The process runs and answers."""
    return ServerLiveDocument()


@router.get("/health/ready", responses={503: RESPONSES[503]})
async def get_ready(request: Request) -> ServerReadyDocument:
    """A model is loaded and warmed."""
    state_of(request).follower.require_serving()
    return ServerReadyDocument()


@router.get(MODEL, responses=NOT_SERVED, openapi_extra=described(MODEL))
@router.get(VERSION, responses=NOT_SERVED, openapi_extra=described(VERSION))
async def get_model(request: Request) -> ModelMetadataDocument:
    """The model's tensors."""
    return ModelMetadataDocument(**model_metadata(addressed_model(state_of(request), address_of(request))))


@router.get(f"{MODEL}/ready", responses=NOT_SERVED, openapi_extra=described(MODEL))
@router.get(f"{VERSION}/ready", responses=NOT_SERVED, openapi_extra=described(VERSION))
async def get_model_ready(request: Request) -> ModelReadyDocument:
    """The model is loaded and warmed."""
    return ModelReadyDocument(name=addressed_model(state_of(request), address_of(request)).ref.name)


@router.post(
    f"{MODEL}/infer", response_class=Response, responses=ANSWERS, openapi_extra=described(MODEL, **BODY)
)
@router.post(
    f"{VERSION}/infer", response_class=Response, responses=ANSWERS, openapi_extra=described(VERSION, **BODY)
)
async def infer(request: Request) -> Response:
    """Predict for the rows of the input tensors, in JSON or raw."""
    return await answer_request(OPEN_INFERENCE, request, address_of(request))
