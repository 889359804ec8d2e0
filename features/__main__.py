"""The features room's commands: build the tables, apply the Feast repository, fill the online store."""

from datetime import datetime
from typing import Annotated

import typer

from features.build import build
from features.raw import find_raw_dir
from features.settings import FeatureSettings

app = typer.Typer(
    help="Raw data to feature tables, and the Feast repository over them.", no_args_is_help=True
)


@app.command(name="build")
def build_command() -> None:
    """Build every feature table from the raw files."""
    settings = FeatureSettings()
    for path in build(find_raw_dir(settings.raw_dir), settings.tables):
        typer.echo(path)


if __name__ == "__main__":
    app()
