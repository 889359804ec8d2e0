"""Reach every graph, node and tensor of an ONNX model, wherever it is nested."""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def walk_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, and those that its nodes carry, at any depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from walk_graphs(inner)


def walk_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of all those graphs."""
    for inner in walk_graphs(graph):
        yield from inner.node


def walk_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The tensors that all those graphs and nodes hold."""
    for inner in walk_graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t


def has_sparse_tensors(graph: onnx.GraphProto) -> bool:
    """Whether one of those graphs or nodes holds a sparse tensor."""
    return any(inner.sparse_initializer for inner in walk_graphs(graph)) or any(
        attribute.sparse_tensors or attribute.HasField("sparse_tensor")
        for node in walk_nodes(graph)
        for attribute in node.attribute
    )
