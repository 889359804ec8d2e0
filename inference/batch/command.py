"""`python -m inference batch`: score Parquet with the version that serves, here or on a Ray cluster."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.bundle.errors import BundleError
from contracts.errors import ContractError
from features.errors import FeatureError
from inference.batch.errors import BatchError
from inference.errors import BatchInputError, NoModelError, ScoringError
from inference.settings import InferenceSettings

REFUSED = (BatchError, BatchInputError, NoModelError, ScoringError, BundleError, FeatureError, ContractError)


def batch_command(
    source: Annotated[
        Path, typer.Option("--input", help="Parquet of features or of examples: a file, a folder, a pattern.")
    ],
    target: Annotated[Path, typer.Option("--output", help="Parquet to write.")],
    log: Annotated[bool, typer.Option(help="Log the predictions; what is logged already stands.")] = False,
    features: Annotated[bool, typer.Option(help="Write the features beside the predictions.")] = False,
    ray: Annotated[
        str | None, typer.Option(help="Score on a Ray cluster: its address, or `local` to start one.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that score; enough for every core if not said.")
    ] = None,
) -> None:
    """Score Parquet with the version that serves; what was interrupted goes on when it is run again."""
    from inference.batch.run import BatchOptions, score_file  # imports Arrow, which serving need not wait for

    options = BatchOptions(log=log, features=features, ray=ray, threads=threads)
    try:
        rows = score_file(InferenceSettings(), source, target, options)
    except REFUSED as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{rows} rows scored: {target}")
