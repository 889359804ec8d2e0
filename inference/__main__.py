"""The inference room's commands: serve the model that the registry names, or score a file with it."""

from pathlib import Path
from typing import Annotated

import typer

from inference.access.commands import keys_app
from inference.access.errors import AccessConfigurationError
from inference.errors import BatchInputError, NoModelError, PortTakenError
from inference.settings import InferenceSettings
from training.bundle.errors import BundleError
from training.errors import TrainingError
from training.matrix import MatrixError

app = typer.Typer(help="Serve the registered model over HTTP, or score files with it.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

BadInput = (BatchInputError, NoModelError, BundleError, TrainingError, MatrixError)


@app.command(name="serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Serve predictions, following the registry alias."""
    from inference.server import serve

    given = {"serve_host": host, "serve_port": port}
    settings = InferenceSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    try:
        serve(settings)
    except (AccessConfigurationError, PortTakenError) as error:
        _fail(error)


@app.command(name="batch")
def batch_command(
    source: Annotated[Path, typer.Option("--input", help="Parquet of features or of examples.")],
    target: Annotated[Path, typer.Option("--output", help="Parquet to write.")],
    log: Annotated[bool, typer.Option(help="Append the predictions to the prediction log.")] = False,
) -> None:
    """Score a Parquet file with the version that serves."""
    from inference.batch import score_file  # imports pandas, which serving's start need not wait for

    try:
        rows = score_file(InferenceSettings(), source, target, log)
    except BadInput as error:
        _fail(error)
    typer.echo(f"{rows} rows scored: {target}")


def _fail(error: Exception) -> None:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
