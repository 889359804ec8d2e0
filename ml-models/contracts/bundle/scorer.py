"""Score rows with a bundle's ONNX graph: all that serving needs of a model, without a training library."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from contracts.bundle.errors import BundleError
from contracts.bundle.graph_safety import require_plain_graph
from contracts.bundle.providers import Device, OpenedSession, open_session
from contracts.matrix import Categories, FeatureMatrix, Floats, Numbers

CATEGORICAL_INPUT = "categorical"
NUMERIC_INPUT = "numeric"
OUTPUT = "prediction"


class ScorerError(BundleError):
    """A graph cannot be loaded for scoring, or the rows do not fit it."""


class MatrixScorer(Protocol):
    """What scores a model's rows: its graph, or the model itself where it runs natively."""

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it runs."""

    @property
    def warning(self) -> str | None:
        """Why it does not run as it was asked to."""

    def score(self, categorical: Categories, numeric: Numbers) -> Floats:
        """Predictions, float64 (N,), for strings (N, C) and float32 numbers (N, F)."""

    def score_matrix(self, matrix: FeatureMatrix) -> Floats:
        """`score` for a matrix."""


class Scorer:
    """One inference session. Safe to call from several threads; holds no state between calls."""

    def __init__(self, model: bytes | Path, threads: int = 1, device: Device = "cpu") -> None:
        """Load a graph. One thread is the fastest for single rows; give more for bulk.

        Where the device cannot be used, the CPU scores and `warning` says why.

        Raises:
            GraphSafetyError: the graph needs operators or files from outside.
            ScorerError: ONNX Runtime refuses it, or its inputs and output are not a model's.
        """
        content = model if isinstance(model, bytes) else model.read_bytes()
        require_plain_graph(content)
        opened = _open_session(content, threads, device)
        self._session, self.device, self.warning = opened.session, opened.device, opened.warning
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


def _open_session(content: bytes, threads: int, device: Device) -> OpenedSession:
    try:
        return open_session(content, threads, device)
    except Exception as error:
        raise ScorerError(f"ONNX Runtime refuses the graph ({error}); export the model again") from error
