"""What the other protocols answer over HTTP: routes of the application, and its fast routes."""

from typing import Final

from fastapi import APIRouter

from contracts.problem import Problem
from inference.protocols.adapter import ProtocolAdapter, route_of
from inference.protocols.mlflow_scoring import routes as mlflow_scoring
from inference.protocols.mlflow_scoring.adapter import MLFLOW
from inference.protocols.open_inference import routes as open_inference
from inference.protocols.open_inference.http_adapter import OPEN_INFERENCE
from inference.protocols.served_name import Address
from inference.protocols.tensorflow_serving import routes as tensorflow_serving
from inference.protocols.tensorflow_serving.adapter import TENSORFLOW_SERVING
from inference.rest.fast_path.middleware import FastRoute

ROUTERS: Final[tuple[APIRouter, ...]] = (
    open_inference.router,
    tensorflow_serving.router,
    mlflow_scoring.router,
)
# By the path as it is counted; a path that names a version goes through the application.
PREDICTING: Final[dict[str, ProtocolAdapter]] = {
    "/v2/models/{name}/infer": OPEN_INFERENCE,
    "/v1/models/{name}:predict": TENSORFLOW_SERVING,
    "/invocations": MLFLOW,
}


def fast_routes(problem: Problem) -> dict[tuple[str, str], FastRoute]:
    """The prediction paths of the problem's model, by method and path."""
    address = Address(problem.name)
    return {
        ("POST", route.format(name=problem.name)): route_of(adapter, address, route)
        for route, adapter in PREDICTING.items()
    }
