"""How an error is said: in the protocol of the path that was asked, whoever raises it."""

from typing import Final

from starlette.exceptions import HTTPException

from inference.errors import InferenceError
from inference.front_door import HotResponse, own_refusal
from inference.protocols.door import Door
from inference.protocols.errors import UnknownPathError, UnroutableError, WrongMethodError
from inference.protocols.mlflow_scoring.door import MLFLOW
from inference.protocols.open_inference.http_door import OPEN_INFERENCE
from inference.protocols.tensorflow_serving.door import TENSORFLOW_SERVING

ROOTS: Final[dict[str, Door]] = {"/v2": OPEN_INFERENCE, "/v1/models": TENSORFLOW_SERVING}
PATHS: Final[dict[str, Door]] = dict.fromkeys(("/invocations", "/ping", "/health", "/version"), MLFLOW)


def refusal_at(path: str, error: InferenceError) -> HotResponse:
    """The error as the protocol of this path says it, or as this service's own paths do."""
    door = PATHS.get(path) or next((door for root, door in ROOTS.items() if _is_below(path, root)), None)
    return door.refuse(error) if door else own_refusal(error)


def routing_error(error: HTTPException) -> InferenceError:
    """What Starlette's router raises, as an error of this room."""
    kind = {404: UnknownPathError, 405: WrongMethodError}.get(error.status_code, UnroutableError)
    return kind(f"{error.detail}; /docs lists what this service answers", headers=error.headers)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
