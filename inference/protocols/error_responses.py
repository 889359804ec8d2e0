"""How an error is said: in the protocol of the path that was asked, whoever raises it."""

from typing import Final

from starlette.exceptions import HTTPException

from inference.documents import ErrorDocument
from inference.errors import InferenceError
from inference.protocols.adapter import ProtocolAdapter
from inference.protocols.documents import ErrorTextDocument, MlflowErrorDocument
from inference.protocols.errors import UnknownPathError, UnroutableError, WrongMethodError
from inference.protocols.mlflow_scoring.adapter import MLFLOW
from inference.protocols.open_inference.http_adapter import OPEN_INFERENCE
from inference.protocols.tensorflow_serving.adapter import TENSORFLOW_SERVING
from inference.rest.fast_path.middleware import FastResponse, own_refusal

ROOTS: Final[dict[str, ProtocolAdapter]] = {"/v2": OPEN_INFERENCE, "/v1/models": TENSORFLOW_SERVING}
PATHS: Final[dict[str, ProtocolAdapter]] = dict.fromkeys(
    ("/invocations", "/ping", "/health", "/version"), MLFLOW
)
DOCUMENTS: Final[dict[str, type]] = {
    OPEN_INFERENCE.name: ErrorTextDocument,
    TENSORFLOW_SERVING.name: ErrorTextDocument,
    MLFLOW.name: MlflowErrorDocument,
}


def refusal_at(path: str, error: InferenceError) -> FastResponse:
    """The error as the protocol of this path says it, or as this service's own paths do."""
    adapter = _adapter_at(path)
    return adapter.refuse(error) if adapter else own_refusal(error)


def refusal_document(path: str) -> type:
    """The document that `refusal_at` answers at this path."""
    adapter = _adapter_at(path)
    return DOCUMENTS[adapter.name] if adapter else ErrorDocument


def routing_error(error: HTTPException) -> InferenceError:
    """What Starlette's router raises, as an error of this room."""
    kind = {404: UnknownPathError, 405: WrongMethodError}.get(error.status_code, UnroutableError)
    return kind(f"{error.detail}; /docs lists what this service answers", headers=error.headers)


def _adapter_at(path: str) -> ProtocolAdapter | None:
    return PATHS.get(path) or next(
        (adapter for root, adapter in ROOTS.items() if _is_below(path, root)), None
    )


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
