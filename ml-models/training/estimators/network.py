"""A small tabular network: an embedding for each category, scaled numbers with missing flags, two layers.

Weights are NumPy arrays, saved as safetensors; PyTorch is imported only to fit and to predict natively.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.encoders.numeric_scaling import NumericScaling
from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.encoders.vocabulary import Vocabulary
from contracts.matrix import FeatureMatrix, Floats
from training.errors import EmptyWindowError
from training.estimators.base import Dataset, Params, require_learnable
from training.estimators.fitted import CalibratedModel, uncalibrated
from training.estimators.network_settings import (
    NetworkInputs,
    NetworkRows,
    NetworkSettings,
    Weights,
    layer_names,
)

if TYPE_CHECKING:
    from features.schema.feature_column import FeatureColumn

WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class NetworkCore:
    """Encoders, weights by PyTorch's names, and the scale of a regression's label (a logit has none)."""

    vocabulary: Vocabulary
    scaling: NumericScaling
    weights: Weights
    shift: float
    scale: float
    chosen: Params
    family: str = "network"

    def inputs(self, matrix: FeatureMatrix) -> NetworkInputs:
        """Encode and scale."""
        return NetworkInputs(
            self.vocabulary.encode(matrix.categorical), self.scaling.transform(matrix.numeric)
        )

    def score(self, matrix: FeatureMatrix) -> Floats:
        """The network's output as PyTorch computes it, on the label's own scale."""
        from training.estimators.network_training import forward

        return forward(self.weights, self.inputs(matrix)).astype(np.float64) * self.scale + self.shift

    def append_to(self, graph: GraphBuilder) -> str:
        """Append look-ups and layers."""
        parts = [
            graph.add("Gather", graph.constant(self.weights[f"embeddings.{position}.weight"]), code)
            for position, code in enumerate(self.vocabulary.append_to(graph))
        ]
        if graph.numeric:
            parts.append(self.scaling.append_to(graph))
        output = graph.add("Squeeze", self._append_layers(graph, graph.join(parts)), graph.axes(1))
        return graph.add("Add", graph.add("Mul", output, graph.number(self.scale)), graph.number(self.shift))

    def _append_layers(self, graph: GraphBuilder, hidden: str) -> str:
        for layer in layer_names(self.weights):
            if layer != "layers.0":
                hidden = graph.add("Relu", hidden)
            parameters = (graph.constant(self.weights[f"{layer}.{part}"]) for part in ("weight", "bias"))
            hidden = graph.add("Gemm", hidden, *parameters, transB=1)
        return hidden

    def save(self, folder: Path) -> Mapping[str, Any]:
        """The weights as safetensors, the rest as JSON."""
        from safetensors.numpy import save_file

        save_file(dict(self.weights), folder / WEIGHTS_FILE)
        return {
            "known": self.vocabulary.known,
            "scaling": self.scaling.as_lists(),
            "shift": self.shift,
            "scale": self.scale,
            "chosen": dict(self.chosen),
        }

    def params(self) -> Params:
        """Hyper-parameters and the epoch that was kept."""
        return self.chosen

    def importance(self) -> Floats:
        """How strongly the first layer is tied to each column."""
        first = np.linalg.norm(self.weights["layers.0.weight"].astype(np.float64), axis=0)
        widths = [self.weights[f"embeddings.{p}.weight"].shape[1] for p in range(len(self.vocabulary.known))]
        *categories, numbers = np.split(first, np.cumsum(widths, dtype=np.int64))
        value, flag = np.split(numbers, 2)
        return np.concatenate([[float(np.linalg.norm(part)) for part in categories], np.hypot(value, flag)])


@dataclass(frozen=True)
class NetworkEstimator(NetworkSettings):
    """The network's hyper-parameters; it fits on a GPU when there is one.

    At most `maximum_rows` of the newest rows and `epochs` passes bound the time; the weights that served the
    early-stopping rows best are kept. More `threads` pay only on a machine that has nothing else to do. Equal
    input and seed give predictions that agree to `TOLERANCE` in `network_training` (the order of sums may
    differ between machines).
    """

    minimum_count: int = 50
    maximum_size: int = 500
    maximum_rows: int = 120_000
    family: str = "network"

    def fit(
        self, train: Dataset, early_stopping: Dataset, columns: Sequence[FeatureColumn], seed: int
    ) -> CalibratedModel:
        """Fit, keeping the best epoch.

        Raises:
            EmptyWindowError: no rows in either window.
            SingleClassError: one class only.
        """
        rows = train.newest(self.maximum_rows)
        require_learnable(rows, self.task == "binary")
        if not len(early_stopping):
            raise EmptyWindowError(
                "the early-stopping window holds no rows; the network needs it to choose when to stop"
            )
        from training.estimators.network_training import fit_weights

        start = self._untrained(rows)
        later = _targets(start, early_stopping)
        result = fit_weights(self, start.vocabulary.sizes, _targets(start, rows), later, seed)
        chosen: Params = {**start.chosen, "epochs_fitted": result.epoch, "device": result.device}
        core = NetworkCore(start.vocabulary, start.scaling, result.weights, start.shift, start.scale, chosen)
        return uncalibrated(core, columns, self.task)

    def _untrained(self, rows: Dataset) -> NetworkCore:
        vocabulary = Vocabulary.fit(rows.matrix.categorical, self.minimum_count, self.maximum_size)
        scaling = NumericScaling.fit(rows.matrix.numeric)
        binary = self.task == "binary"
        shift = 0.0 if binary else float(rows.label.mean())
        scale = 1.0 if binary else float(rows.label.std()) or 1.0
        chosen = {**asdict(self), "hidden": "x".join(map(str, self.hidden))}
        return NetworkCore(vocabulary, scaling, {}, shift, scale, chosen)


def _targets(core: NetworkCore, rows: Dataset) -> NetworkRows:
    binary = core.chosen["task"] == "binary"
    label = rows.label if binary else (rows.label - core.shift) / core.scale
    return NetworkRows(core.inputs(rows.matrix), label.astype(np.float32))


def load_core(folder: Path, family: str, saved: Mapping[str, Any]) -> NetworkCore:  # noqa: ARG001
    """Read the core back."""
    from safetensors.numpy import load_file

    return NetworkCore(
        Vocabulary(tuple(tuple(known) for known in saved["known"])),
        NumericScaling.from_lists(saved["scaling"]),
        load_file(folder / WEIGHTS_FILE),
        saved["shift"],
        saved["scale"],
        saved["chosen"],
    )
