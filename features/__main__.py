"""The features room's commands: build the tables, apply the Feast repository, fill the online store."""

from datetime import datetime
from typing import Annotated

import typer

from features.command_line import parse_moment, run_commands
from features.compute.engines import EngineName, choose_engine
from features.errors import FeatureError
from features.lineage.command import lineage_command
from features.settings import FeatureSettings
from features.streaming.commands import replay_events_command, stream_command
from features.timestamps import BEGINNING

app = typer.Typer(
    help="Raw data to feature tables, and the Feast repository over them.", no_args_is_help=True
)

Bound = Annotated[
    datetime | None,
    typer.Option(parser=parse_moment, metavar="MOMENT", help="Only raw data of these hours; with its zone."),
]
AsOf = Annotated[
    datetime,
    typer.Option(
        parser=parse_moment, metavar="MOMENT", help="The moment to know everything of; with its zone."
    ),
]
Present = Annotated[
    datetime,
    typer.Option(
        "--as-of", parser=parse_moment, metavar="MOMENT", help="The present: a row after it is in the future."
    ),
]
EngineOption = Annotated[EngineName, typer.Option(help="Where the tables are computed.")]


@app.command(name="build")
def build_command(start: Bound = None, end: Bound = None, engine: EngineOption = EngineName.DUCKDB) -> None:
    """Build every feature table from the raw files."""
    from features.repository.build import run_build

    settings = FeatureSettings()
    for path in run_build(settings, start, end, choose_engine(engine, settings)):
        typer.echo(path)


@app.command()
def apply() -> None:
    """Apply the Feast repository: registry and online tables follow `definitions.py`."""
    from features.apply import apply_repository

    settings = FeatureSettings()
    apply_repository(settings)
    typer.echo(f"applied {settings.feature_repo} to {settings.registry_db}")


@app.command()
def materialize(as_of: AsOf) -> None:
    """Write the newest row per key known by `--as-of` to the online store, once they are sound."""
    from features.online.planning import write_plans
    from features.quality.views import check_before_writing
    from features.repository.feature_store import open_store

    settings = FeatureSettings()
    store = open_store(settings)
    check_before_writing(settings, store, as_of)
    store.materialize(BEGINNING, as_of)
    write_plans(settings, store)  # the registry now says what was materialised


@app.command()
def check(as_of: Present) -> None:
    """Check every view's table as it lies: columns, types, instants, ranges, missing shares, freshness."""
    from features.quality.views import check_tables
    from features.repository.feature_store import open_store

    settings = FeatureSettings()
    for view, measure in check_tables(settings, open_store(settings), as_of).items():
        typer.echo(f"{view}: {measure.rows} rows, newest {measure.newest}")


app.command(name="replay-events")(replay_events_command)
app.command(name="stream")(stream_command)
app.command(name="lineage")(lineage_command)


def main() -> None:
    """Run a command; what this room can explain ends as one line on standard error and exit code 1."""
    run_commands(app, FeatureError)


if __name__ == "__main__":
    main()
