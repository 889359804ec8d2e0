"""What the protocol says of server and model: one tensor per feature in, one per fact of an answer out."""

from collections.abc import Sequence
from typing import Any, Final

from features.schema.feature_column import FeatureColumn
from inference.model_loading.served_model import ServedModel
from inference.protocols.open_inference.outputs import OUTPUTS
from inference.protocols.open_inference.tensors import BYTES
from inference.rest.responses import API_VERSION

SERVER_NAME: Final = "roundtrip"
EXTENSIONS: Final = ("binary_tensor_data",)
PLATFORM: Final = "onnxruntime_onnx"
COLUMN_SHAPE: Final = (-1,)
NUMBER: Final = "FP64"


def server_metadata() -> dict[str, Any]:
    """The server's document."""
    return {"name": SERVER_NAME, "version": API_VERSION, "extensions": list(EXTENSIONS)}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """The model's document: its features as inputs. The problem's fields may be sent in their stead."""
    return {
        "name": model.ref.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": _inputs(model.columns),
        "outputs": [_tensor(name, kind.datatype) for name, kind in OUTPUTS.items()],
    }


def _inputs(columns: Sequence[FeatureColumn]) -> list[dict[str, Any]]:
    return [_tensor(column.name, BYTES if column.kind == "categorical" else NUMBER) for column in columns]


def _tensor(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(COLUMN_SHAPE)}
