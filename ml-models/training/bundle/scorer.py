"""Score rows with a bundle's ONNX graph: all that serving needs of a model, without a training library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from training.bundle.errors import BundleError
from training.bundle.graph_safety import require_plain_graph
from training.matrix import Categories, FeatureMatrix, Floats, Numbers

CATEGORICAL_INPUT = "categorical"
NUMERIC_INPUT = "numeric"
OUTPUT = "prediction"


class ScorerError(BundleError):
    """A graph cannot be loaded for scoring, or the rows do not fit it."""


class Scorer:
    """One inference session. Safe to call from several threads; holds no state between calls."""

    def __init__(self, model: bytes | Path, threads: int = 1) -> None:
        """Load a graph. One thread is the fastest for single rows; give more for bulk.

        Raises:
            GraphSafetyError: the graph needs operators or files from outside.
            ScorerError: ONNX Runtime refuses it, or its inputs and output are not a model's.
        """
        content = model if isinstance(model, bytes) else model.read_bytes()
        require_plain_graph(content)
        self._session = _open_session(content, threads)
        self._widths = {given.name: given.shape[1] for given in self._session.get_inputs()}
        outputs = [result.name for result in self._session.get_outputs()]
        if outputs != [OUTPUT] or not set(self._widths) <= {CATEGORICAL_INPUT, NUMERIC_INPUT}:
            raise ScorerError(f"the graph maps {sorted(self._widths)} to {outputs}; export it with to_onnx")

    def score(self, categorical: Categories, numeric: Numbers) -> Floats:
        """Predictions, float64 (N,), for strings (N, C) and float32 numbers (N, F).

        Raises:
            ScorerError: the arrays have other widths than the graph.
        """
        given = {CATEGORICAL_INPUT: categorical, NUMERIC_INPUT: numeric}
        for name, rows in given.items():
            if rows.shape[1] != self._widths.get(name, 0):
                raise ScorerError(
                    f"{name} has {rows.shape[1]} columns, the graph reads {self._widths.get(name, 0)}; "
                    "build the rows from the bundle's own contract"
                )
        if not len(numeric):
            return np.empty(0)
        (prediction,) = self._session.run([OUTPUT], {name: given[name] for name in self._widths})
        return np.asarray(prediction, dtype=np.float64).reshape(-1)

    def score_matrix(self, matrix: FeatureMatrix) -> Floats:
        """`score` for a matrix."""
        return self.score(matrix.categorical, matrix.numeric)


def _open_session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ScorerError(f"ONNX Runtime refuses the graph ({error}); export the model again") from error
