"""Refuse an ONNX graph that reaches outside itself: operators of unknown domains, or files beside it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from training.bundle.errors import BundleUnsafeError

PLAIN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


class GraphSafetyError(BundleUnsafeError):
    """A graph needs code or files that are not in it."""


def require_plain_graph(content: bytes) -> None:
    """Check a serialised model.

    Raises:
        GraphSafetyError: it cannot be parsed, uses a custom operator domain, or points at external data.
    """
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise GraphSafetyError("these bytes are no ONNX model; fetch the bundle again") from error
    strange = {domain for domain in _domains(model) if domain not in PLAIN_DOMAINS}
    if strange:
        raise GraphSafetyError(
            f"the graph uses operators of {sorted(strange)}; export it with standard ones only"
        )
    for graph in _graphs(model.graph):
        outside = [constant.name for constant in graph.initializer if constant.external_data]
        if outside:
            raise GraphSafetyError(f"the graph keeps {outside[0]!r} in another file; save it as one file")


def _domains(model: onnx.ModelProto) -> Iterator[str]:
    yield from (opset.domain for opset in model.opset_import)
    yield from (function.domain for function in model.functions)
    for graph in _graphs(model.graph):
        yield from (node.domain for node in graph.node)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)
