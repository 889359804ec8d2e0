"""`python -m experiments.replay`: the main demo."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts.problem import ProblemError
from experiments.errors import ExperimentError
from experiments.processes import stop_on_signals
from experiments.replay.console import WIDTH
from experiments.settings import ReplaySettings
from features.command_line import run_commands


def main(
    var: Annotated[Path, typer.Option(help="The folder to relive the year in; emptied first.")] = Path(
        "var/demo"
    ),
    weeks: Annotated[int | None, typer.Option(min=1, help="Relive only this many weeks.")] = None,
) -> None:
    """Relive the year: train, serve, watch, retrain, week by week, over real HTTP."""
    settings = ReplaySettings(var=var)
    if weeks is not None:
        settings = settings.model_copy(update={"replay_weeks": weeks})
    from experiments.replay.run import run_replay  # takes seconds

    interrupted = stop_on_signals()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        run_replay(settings, console)
    except ExperimentError as error:
        console.print(f"[red]The replay stopped:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    except (KeyboardInterrupt, RuntimeError) as error:
        if not interrupted.is_set():
            raise
        console.print("Interrupted; every process was stopped.")
        raise typer.Exit(130) from error


if __name__ == "__main__":
    run_commands(lambda: typer.run(main), ProblemError)
