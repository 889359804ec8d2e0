"""A network scored by PyTorch itself, with the weights it was fitted to: on the CPU or on a GPU."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from contracts.matrix import Categories, FeatureMatrix, Floats, Numbers
from training.estimators.base import EstimatorError
from training.estimators.fitted import CalibratedModel
from training.estimators.network import NetworkCore
from training.estimators.network_training import load_network


class TorchNetwork:
    """Scores as the model's graph does. Safe to call from several threads."""

    warning: str | None = None

    def __init__(self, model: CalibratedModel, device: Literal["cpu", "cuda", "auto"]) -> None:
        """Load the weights onto the device; `auto` takes a GPU where there is one.

        Raises:
            EstimatorError: the model is no network, or CUDA is asked for where PyTorch has none.
        """
        if not isinstance(model.core, NetworkCore):
            raise EstimatorError(f"PyTorch scores networks only, not {model.family}; use the ONNX graph")
        if device == "cuda" and not torch.cuda.is_available():
            raise EstimatorError("PyTorch sees no GPU; use the CPU")
        self.device: Literal["cpu", "cuda"] = (
            "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        )
        self._core, self._calibration = model.core, model.calibration
        self._network = load_network(model.core.weights).to(self.device)

    def score(self, categorical: Categories, numeric: Numbers) -> Floats:
        """Predictions, float64 (N,), for strings (N, C) and float32 numbers (N, F)."""
        inputs = self._core.inputs(FeatureMatrix(categorical, numeric))
        codes, numbers = (torch.from_numpy(rows).to(self.device) for rows in (inputs.codes, inputs.numbers))
        with torch.inference_mode():
            output = self._network(codes, numbers).cpu().numpy().astype(np.float64)
        return self._calibration.apply(output * self._core.scale + self._core.shift)

    def score_matrix(self, matrix: FeatureMatrix) -> Floats:
        """`score` for a matrix."""
        return self.score(matrix.categorical, matrix.numeric)
