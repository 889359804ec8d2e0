"""Lineage as a diagram: the edges behind one dataset, for Graphviz or Mermaid."""

from features.lineage.graph import LineageGraph
from features.lineage.labels import label
from features.lineage.names import Dataset
from features.lineage.tree import parents

Edges = list[tuple[Dataset, Dataset]]


def edges_behind(graph: LineageGraph, root: Dataset) -> Edges:
    """Return every (from, to) on the ways to `root`, each once, as things were when it was made."""
    made = graph.made_by(root)
    edges: dict[tuple[Dataset, Dataset], None] = {}
    waiting = [root]
    while waiting:
        target = waiting.pop()
        found = [(source, target) for source, *_ in parents(graph, target, made.at if made else None)]
        waiting += [edge[0] for edge in found if edge not in edges]
        edges |= dict.fromkeys(found)
    return list(edges)


def draw_dot(graph: LineageGraph, root: Dataset) -> str:
    """Return the diagram as Graphviz reads it (`dot -Tsvg`)."""
    edges = edges_behind(graph, root)
    nodes = [f"  {_quoted(str(key))} [label={_quoted(text)}];" for key, text in _labels(graph, root, edges)]
    numbers = _numbers(root, edges)
    arrows = [f'  "{numbers[source]}" -> "{numbers[target]}";' for source, target in edges]
    return "\n".join(["digraph lineage {", "  rankdir=LR; node [shape=box];", *nodes, *arrows, "}", ""])


def draw_mermaid(graph: LineageGraph, root: Dataset) -> str:
    """Return the diagram as Mermaid reads it, in Markdown too."""
    edges = edges_behind(graph, root)
    nodes = [f"  n{key}[{_quoted(text)}]" for key, text in _labels(graph, root, edges)]
    numbers = _numbers(root, edges)
    arrows = [f"  n{numbers[source]} --> n{numbers[target]}" for source, target in edges]
    return "\n".join(["flowchart LR", *nodes, *arrows, ""])


def _numbers(root: Dataset, edges: Edges) -> dict[Dataset, int]:
    nodes = dict.fromkeys([root, *(end for edge in edges for end in edge)])
    return {node: number for number, node in enumerate(nodes)}


def _labels(graph: LineageGraph, root: Dataset, edges: Edges) -> list[tuple[int, str]]:
    made = graph.made_by(root)
    before = made.at if made else None
    return [
        (number, label(node, graph.made_by(node, before))) for node, number in _numbers(root, edges).items()
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'
