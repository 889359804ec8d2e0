"""The command that follows a model version back to the raw files, and a view both ways."""

from pathlib import Path
from typing import Annotated

import typer

from features.settings import FeatureSettings

# A path that is cut off would be of no use; the terminal wraps it.
WIDEST = 1_000

Version = Annotated[
    str | None,
    typer.Option(help="The model version: 3, or NAME/3; the last one that was trained if not given."),
]
View = Annotated[str | None, typer.Option(help="A view, service, table or raw file instead.")]
Drawing = Annotated[Path | None, typer.Option(help="Write the diagram behind it to this file too.")]


def lineage_command(
    model_version: Version = None, view: View = None, dot: Drawing = None, mermaid: Drawing = None
) -> None:
    """Show what a model version was made from, down to the raw files, or where a view comes from and goes."""
    from rich.console import Console

    from features.lineage.diagram import draw_dot, draw_mermaid
    from features.lineage.graph import read_graph
    from features.lineage.tree import origins, uses

    graph = read_graph(FeatureSettings().lineage_file)
    dataset = graph.find(view) if view else graph.model(model_version)
    for tree in [origins(graph, dataset), *([uses(graph, dataset)] if view else [])]:
        Console(width=WIDEST).print(tree, soft_wrap=True)
    for path, draw in ((dot, draw_dot), (mermaid, draw_mermaid)):
        if path is not None:
            path.write_text(draw(graph, dataset), encoding="utf-8")
