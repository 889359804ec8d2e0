"""Read a model back from the files that `save_native` wrote: JSON and safetensors, never a pickle."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from contracts.bundle.contract import NATIVE_FILE
from contracts.encoders.calibration import Calibration
from training.estimators.base import EstimatorError
from training.estimators.fitted import NATIVE_VERSION, CalibratedModel, Columns

MODULES = {
    "base_rate": "base_rate",
    "logistic": "linear",
    "linear": "linear",
    "xgboost": "xgboost_trees",
    "network": "network",
}


def load_native(folder: Path) -> CalibratedModel:
    """Load any family.

    Raises:
        EstimatorError: the folder holds no model, or one of an unknown version or family.
    """
    content = _read(folder / NATIVE_FILE)
    module = import_module(f"training.estimators.{MODULES[content['family']]}")
    core = module.load_core(folder, content["family"], content["core"])
    columns = Columns(*(tuple(content["columns"][kind]) for kind in ("categorical", "numeric")))
    return CalibratedModel(core, columns, Calibration(**content["calibration"]))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise EstimatorError(f"no model at {path}; point at the folder that save_native wrote")
    content: dict[str, Any] = json.loads(path.read_text())
    if content.get("native_version") != NATIVE_VERSION or content.get("family") not in MODULES:
        raise EstimatorError(
            f"{path} holds a model of an unknown version or family; read it with its own code"
        )
    return content
