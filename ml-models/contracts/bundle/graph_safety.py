"""Refuse an ONNX graph that reaches outside itself, hides what it does, or asks for more than it brings.

These are the checks that can be made without running it, for damaged, careless and most hostile uploads. What
the others take is found out by whoever serves them; who may register a version is for the registry to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import onnx
from google.protobuf.message import DecodeError

from contracts.bundle.errors import GraphSafetyError
from contracts.bundle.graph_sizes import require_modest_sizes
from contracts.bundle.graph_walk import has_sparse_tensors, walk_nodes, walk_tensors

# The newest version of each operator set that this release of ONNX describes.
NEWEST_VERSIONS = {
    "": onnx.defs.onnx_opset_version(),
    "ai.onnx": onnx.defs.onnx_opset_version(),
    "ai.onnx.ml": onnx.defs.get_schema("TreeEnsemble", domain="ai.onnx.ml").since_version,
}
PLAIN_DOMAINS = frozenset(NEWEST_VERSIONS)
# What they do is for a row's values to say: one row may cost nothing, and another never end.
UNFORESEEABLE = frozenset({"If", "Loop"})
# The narrowest element that ONNX has takes two bits.
ELEMENTS_PER_BYTE = 4


def require_plain_graph(content: bytes) -> None:
    """Check a serialised model.

    Raises:
        GraphSafetyError: it cannot be parsed; it uses operators of other domains or unknown versions,
            functions, training graphs, external data, loops or branches; or it holds or makes a tensor
            larger than it can account for.
    """
    model = _parse(content)
    for trouble in _troubles(model, len(content)):
        raise GraphSafetyError(trouble)
    require_modest_sizes(model, len(content))


def _parse(content: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(content)
    except DecodeError as error:
        raise GraphSafetyError("these bytes are no ONNX model; fetch the bundle again") from error


def _troubles(model: onnx.ModelProto, size: int) -> Iterator[str]:
    strange = {domain for domain in _domains(model) if domain not in PLAIN_DOMAINS}
    if strange:
        yield f"the graph uses operators of {sorted(strange)}; export it with standard ones only"
    for opset in model.opset_import:
        if not 0 < opset.version <= NEWEST_VERSIONS[opset.domain]:
            yield (
                f"the graph asks for version {opset.version} of operator set {opset.domain or 'ai.onnx'!r}; "
                f"this service knows up to {NEWEST_VERSIONS[opset.domain]}, export it with that"
            )
    if model.functions or model.training_info:
        yield "the graph brings functions or training graphs of its own; export it without"
    unforeseeable = {node.op_type for node in walk_nodes(model.graph)} & UNFORESEEABLE
    if unforeseeable:
        yield f"the graph uses {sorted(unforeseeable)}, which may never end for some rows; export it without"
    yield from _tensor_troubles(model.graph, size)


def _tensor_troubles(graph: onnx.GraphProto, size: int) -> Iterator[str]:
    if has_sparse_tensors(graph):
        yield "the graph holds sparse tensors, which grow when loaded; export dense ones"
    for tensor in walk_tensors(graph):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield f"the graph keeps {tensor.name!r} in another file; save it as one file"
        if _is_hollow(tensor.dims, size):
            yield f"{tensor.name!r} declares {list(tensor.dims)} elements, more than the model's bytes hold"


def _is_hollow(dims: Sequence[int], size: int) -> bool:
    return any(dim < 0 for dim in dims) or prod(dims) > size * ELEMENTS_PER_BYTE


def _domains(model: onnx.ModelProto) -> Iterator[str]:
    yield from (opset.domain for opset in model.opset_import)
    yield from (node.domain for node in walk_nodes(model.graph))
