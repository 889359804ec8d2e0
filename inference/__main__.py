"""The inference room's commands: serve the model that the registry names, or score a file with it."""

from typing import Annotated

import typer

from contracts.problem import ProblemError, load_problem
from features.command_line import run_commands
from inference.access.commands import keys_app
from inference.access.errors import AccessConfigurationError
from inference.batch.command import batch_command
from inference.edge.command import export_command
from inference.errors import NotStartedError, PortTakenError
from inference.rollout.command import app as rollout_app
from inference.settings import InferenceSettings
from inference.workers.errors import WorkersError

app = typer.Typer(help="Serve the registered model over HTTP, or score files with it.", no_args_is_help=True)
app.command(name="batch")(batch_command)
app.command(name="export")(export_command)
app.add_typer(keys_app, name="keys")
app.add_typer(rollout_app, name="rollout")


@app.command(name="serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve.")] = None,
) -> None:
    """Serve predictions, following the registry alias."""
    from inference.serve import serve

    given = {"serve_host": host, "serve_port": port, "serve_workers": workers}
    settings = InferenceSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    load_problem(settings.problem)  # what is wrong with it is said before the port opens
    try:
        serve(settings)
    except (AccessConfigurationError, NotStartedError, PortTakenError, WorkersError) as error:
        _fail(error)


def _fail(error: Exception) -> None:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    run_commands(app, ProblemError)
