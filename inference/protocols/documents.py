"""The documents of other protocols, as OpenAPI describes them."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

# What the protocols refuse alike; 404 is each one's own.
ROW_REFUSALS: Final = {
    400: "Not a request as the protocol or the model says.",
    409: "A rollout has another version answer, or a request id was answered before for other values.",
    413: "Too many rows, or too many bytes.",
    415: "Another content type, or another content encoding than gzip.",
    503: "No model is loaded yet, or nothing can be looked up or logged.",
}


class Document(BaseModel):
    """Base of the documents."""

    model_config = ConfigDict(frozen=True)


class ErrorTextDocument(Document):
    """What went wrong, and what to do next, in one text: Open Inference Protocol and TensorFlow Serving."""

    error: str


class MlflowErrorDocument(Document):
    """What went wrong, and what to do next, as MLflow says it."""

    error_code: str
    message: str


class ServerMetadataDocument(Document):
    """The server, and which extensions of the protocol it knows."""

    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadataDocument(Document):
    """A tensor; -1 is as many as there are rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadataDocument(Document):
    """The served model: its features as inputs. The problem's request fields may be sent in their stead."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadataDocument, ...]
    outputs: tuple[TensorMetadataDocument, ...]


class ServerLiveDocument(Document):
    """The process runs."""

    live: bool = True


class ServerReadyDocument(Document):
    """A model is loaded and warmed."""

    ready: bool = True


class ModelReadyDocument(Document):
    """The model is loaded and warmed."""

    name: str
    ready: bool = True


class InferResponseDocument(Document):
    """The outputs, one element for each row; `parameters` says whether any answer is degraded."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    parameters: dict[str, Any]
    outputs: tuple[dict[str, Any], ...]


class RowPredictionsDocument(Document):
    """The predictions, in the order of the rows: MLflow, and TensorFlow Serving's row format."""

    predictions: tuple[float, ...]


class ColumnPredictionsDocument(Document):
    """The predictions, in the order of the rows: TensorFlow Serving's columnar format."""

    outputs: tuple[float, ...]
