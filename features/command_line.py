"""What the commands of all rooms have in common."""

from collections.abc import Callable

import typer

from features.errors import UnreadableSettingError


def run_commands(commands: Callable[[], object]) -> None:
    """Run a room's commands; a setting that cannot be read ends as one line on standard error and code 1."""
    try:
        commands()
    except UnreadableSettingError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(1) from None
