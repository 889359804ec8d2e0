"""Foresee how large the tensors become that an ONNX graph makes, before anything makes them.

A graph of a few bytes can ask for a tensor of terabytes, which is allocated while it is loaded (constants are
folded) or with its first row. ONNX's own shape inference with data propagation
(https://onnx.ai/onnx/api/shape_inference.html) tells their shapes for a single row.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import onnx

from contracts.bundle.errors import GraphSafetyError
from contracts.bundle.graph_walk import walk_graphs, walk_nodes

# For one row, where a wide network's layer has some thousands.
LARGEST_TENSOR = 2**24
# What they make is as large as one of their inputs' values says, which shape inference must therefore know.
SHAPED_BY_VALUES = frozenset(
    {
        "AffineGrid", "BlackmanWindow", "CenterCropPad", "Col2Im", "ConstantOfShape", "DFT", "Expand",
        "HammingWindow", "HannWindow", "MaxUnpool", "MelWeightMatrix", "Multinomial", "OneHot", "Pad",
        "RandomNormal", "RandomUniform", "Range", "Resize", "STFT", "Tile", "Upsample",
    }
)  # fmt: skip


def require_modest_sizes(model: onnx.ModelProto, size: int) -> None:
    """Check what a model of `size` bytes makes of one row. Changes the inputs' first dimension to 1.

    Raises:
        GraphSafetyError: a tensor is larger than `LARGEST_TENSOR` and than the model could fill, or its size
            cannot be told; or the shapes contradict each other.
    """
    sizes = dict(_sizes(_infer_for_one_row(model)))
    largest = max(LARGEST_TENSOR, size)
    for name, elements in sizes.items():
        if elements > largest:
            raise GraphSafetyError(f"the graph makes {name!r} of {elements} elements; {largest} are served")
    for node in walk_nodes(model.graph):
        unknown = [name for name in node.output if name and name not in sizes]
        if node.op_type in SHAPED_BY_VALUES and unknown:
            raise GraphSafetyError(
                f"how large {unknown[0]!r} becomes depends on values ({node.op_type}); export fixed sizes"
            )


def _infer_for_one_row(model: onnx.ModelProto) -> onnx.ModelProto:
    for given in model.graph.input:
        dimensions = given.type.tensor_type.shape.dim
        if dimensions and not dimensions[0].dim_value:
            dimensions[0].dim_value = 1
    for inner in walk_graphs(model.graph):
        del inner.value_info[:]  # what the file claims of its shapes
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # several types, none of them ONNX's own
        raise GraphSafetyError(
            f"the graph's shapes contradict each other ({error}); export it again"
        ) from error


def _sizes(model: onnx.ModelProto) -> Iterator[tuple[str, int]]:
    """The number of elements of every value whose dimensions are all known."""
    for inner in walk_graphs(model.graph):
        for value in (*inner.value_info, *inner.output):
            tensor = value.type.tensor_type
            dimensions = [dimension.dim_value for dimension in tensor.shape.dim]
            if tensor.HasField("shape") and all(
                dimension.HasField("dim_value") for dimension in tensor.shape.dim
            ):
                yield value.name, prod(dimensions)
