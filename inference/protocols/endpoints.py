"""What the other protocols answer over HTTP: routes of the application, hot paths of its front door."""

from typing import Final

from fastapi import APIRouter

from contracts.problem import Problem
from inference.front_door import HotRoute
from inference.protocols.door import Door, route_of
from inference.protocols.mlflow_scoring import routes as mlflow_scoring
from inference.protocols.mlflow_scoring.door import MLFLOW
from inference.protocols.open_inference import routes as open_inference
from inference.protocols.open_inference.http_door import OPEN_INFERENCE
from inference.protocols.served_address import Address
from inference.protocols.tensorflow_serving import routes as tensorflow_serving
from inference.protocols.tensorflow_serving.door import TENSORFLOW_SERVING

ROUTERS: Final[tuple[APIRouter, ...]] = (
    open_inference.router,
    tensorflow_serving.router,
    mlflow_scoring.router,
)
# By the path as it is counted; a path that names a version goes through the application.
PREDICTING: Final[dict[str, Door]] = {
    "/v2/models/{name}/infer": OPEN_INFERENCE,
    "/v1/models/{name}:predict": TENSORFLOW_SERVING,
    "/invocations": MLFLOW,
}


def hot_routes(problem: Problem) -> dict[tuple[str, str], HotRoute]:
    """The prediction paths of the problem's model, by method and path."""
    address = Address(problem.name)
    return {
        ("POST", route.format(name=problem.name)): route_of(door, address, route)
        for route, door in PREDICTING.items()
    }
