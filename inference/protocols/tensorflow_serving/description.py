"""What TensorFlow Serving's surface says of the served model: its status and its signatures."""

from collections.abc import Mapping
from typing import Any, Final

from inference.model_loading.served_model import ServedModel
from inference.protocols.signatures import GIVEN, LOOKED_UP, SignatureName, Signatures
from inference.protocols.tensorflow_serving.adapter import DEFAULT_SIGNATURE

DTYPES: Final = {
    "number": "DT_DOUBLE",
    "integer": "DT_INT64",
    "string": "DT_STRING",
    "timestamp": "DT_STRING",
}
METHOD: Final = "tensorflow/serving/predict"
NAMES: Final[Mapping[str, SignatureName]] = {DEFAULT_SIGNATURE: GIVEN, LOOKED_UP: LOOKED_UP}


def model_status(model: ServedModel) -> dict[str, Any]:
    """The answer of the status call: the one version that is served."""
    status = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": model.version, "state": "AVAILABLE", "status": status}]}


def model_metadata(model: ServedModel, signatures: Signatures) -> dict[str, Any]:
    """The answer of the metadata call: `serving_default` asks by features, `fields` by the fields."""
    declared = {name: _signature(signatures.types(signature)) for name, signature in NAMES.items()}
    return {
        "model_spec": {"name": model.ref.name, "signature_name": "", "version": model.version},
        "metadata": {"signature_def": {"signature_def": declared}},
    }


def _signature(types: Mapping[str, str]) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor(name, dtype) for name, dtype in types.items()},
        "outputs": {"prediction": _tensor("prediction", "number")},
        "method_name": METHOD,
    }


def _tensor(name: str, dtype: str) -> dict[str, Any]:
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    return {"dtype": DTYPES[dtype], "tensor_shape": shape, "name": name}
