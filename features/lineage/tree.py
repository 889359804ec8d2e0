"""Draw lineage as a tree: what a dataset was made from, down to the raw files, or what came of it."""

from collections.abc import Callable
from datetime import datetime

from rich.text import Text
from rich.tree import Tree

from features.lineage.graph import LineageGraph, Step
from features.lineage.labels import label
from features.lineage.names import Dataset

Next = Callable[[Dataset], list[tuple[Dataset, Step | None, str | None]]]


def origins(graph: LineageGraph, dataset: Dataset) -> Tree:
    """Return the tree of what the dataset was made from, as things were when it was made."""
    made = graph.made_by(dataset)
    before = made.at if made else None
    return _tree(label(dataset, made), dataset, lambda each: parents(graph, each, before), set())


def uses(graph: LineageGraph, dataset: Dataset) -> Tree:
    """Return the tree of what was made from the dataset, as things are now."""
    return _tree("used by", dataset, lambda each: children(graph, each), set())


def parents(
    graph: LineageGraph, dataset: Dataset, before: datetime | None
) -> list[tuple[Dataset, Step | None, str | None]]:
    """Return what the dataset was made from, each with the step that made it and the version that was read.

    Keys and request fields, of which nothing but the name is known, are left to the dataset's own label.
    """
    step = graph.made_by(dataset, before)
    if step is None:
        return []
    found = [(each, graph.made_by(each, before), step.versions.get(each)) for each in step.inputs]
    return [one for one in found if one[1] is not None or one[0] not in step.named]


def children(graph: LineageGraph, dataset: Dataset) -> list[tuple[Dataset, Step | None, str | None]]:
    """Return what was made from the dataset. Of a materialisation, only the dataset's own online table."""
    steps = graph.readers(dataset)
    return [
        (made, step, None)
        for step in steps
        for made in step.outputs
        if not made.name.startswith("online_store_") or made.name == f"online_store_{dataset.name}"
    ]


def _tree(text: str, dataset: Dataset, following: Next, shown: set[Dataset]) -> Tree:
    tree = Tree(Text(text))
    for each, step, version in following(dataset):
        if each in shown and following(each):  # a raw file, which nothing follows, is named each time
            tree.add(Text(f"{label(each, step, version)} …as above"))
        else:
            shown.add(each)
            tree.add(_tree(label(each, step, version), each, following, shown))
    return tree
