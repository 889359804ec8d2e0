"""Eight-bit weights where they keep quality: kept only if smaller, and no worse than a declared tolerance."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from contracts.bundle.contract import MODEL_FILE
from contracts.bundle.reader import Bundle
from contracts.bundle.scorer import Scorer
from contracts.matrix import Floats
from inference.edge.sample import Sample

# Trees compare exact thresholds and a linear model is a handful of numbers: both stay in single precision.
QUANTISED_FAMILIES = frozenset({"network"})
METRIC_TOLERANCE = 0.005


@dataclass(frozen=True)
class GraphChoice:
    """The graph to export, its answers to the sample row by row, and how it compares with the served one.

    Sizes in bytes; `metric_served` and `metric` were measured on the sample; `tried_*` are those of the
    quantised graph, whether kept or not, and None for a family that is not quantised.
    """

    graph: bytes
    quantised: bool
    answers: Floats
    metric_served: float
    metric: float
    bytes_served: int
    tried_metric: float | None = None
    tried_bytes: int | None = None


def choose_graph(bundle: Bundle, sample: Sample, tolerance: float = METRIC_TOLERANCE) -> GraphChoice:
    """Quantise if the family may be; keep it if the metric moves by less than `tolerance` of itself."""
    served = bundle.read(MODEL_FILE)
    answers = sample.score_singly(Scorer(served))
    metric = sample.metric(answers)
    plain = GraphChoice(served, False, answers, metric, metric, len(served))
    if bundle.contract.family not in QUANTISED_FAMILIES:
        return plain
    graph = quantise(served)
    tried = sample.score_singly(Scorer(graph))
    moved = sample.metric(tried)
    kept = len(graph) < len(served) and abs(moved - metric) < tolerance * abs(metric)
    return GraphChoice(
        graph=graph if kept else served,
        quantised=kept,
        answers=tried if kept else answers,
        metric_served=metric,
        metric=moved if kept else metric,
        bytes_served=len(served),
        tried_metric=moved,
        tried_bytes=len(graph),
    )


def quantise(graph: bytes) -> bytes:
    """Dense layers with eight-bit weights, their inputs quantised as they come ("dynamic" quantisation)."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        quantize_dynamic(onnx.load_model_from_string(graph), path, op_types_to_quantize=["MatMul"])
        return path.read_bytes()
