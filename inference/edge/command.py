"""`python -m inference export`: write an edge bundle and show how it compares with the served model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.bundle.errors import BundleError
from contracts.errors import ContractError
from inference.edge.errors import EdgeError
from inference.edge.manifest import EdgeManifest, comparison
from inference.errors import NoModelError
from inference.settings import InferenceSettings

REFUSED = (EdgeError, NoModelError, BundleError, ContractError)


def export_command(
    output: Annotated[Path, typer.Option(help="The folder to write; it must not hold anything.")],
    version: Annotated[
        str | None, typer.Option(help="The registered version; the served one if not said.")
    ] = None,
) -> None:
    """Write a folder that predicts with numpy and onnxruntime alone, checked against the served model."""
    from inference.edge.export import export_version  # imports Arrow, which serving need not wait for

    try:
        manifest = export_version(InferenceSettings(), output, version)
    except REFUSED as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    Console().print(_table(manifest))
    typer.echo(f"version {manifest.model_version} exported: {output}")


def _table(manifest: EdgeManifest) -> Table:
    kind = "eight-bit weights" if manifest.quantised else "single precision"
    table = Table("", "served", "exported", title=f"{manifest.family}, {kind}")
    for row in comparison(manifest):
        table.add_row(*row)
    return table
