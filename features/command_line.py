"""What the commands of all rooms have in common."""

from collections.abc import Callable

import typer

from features.errors import FeatureError, UnreadableSettingError


def run_commands(
    commands: Callable[[], object], explained: type[FeatureError] = UnreadableSettingError
) -> None:
    """Run a room's commands; what is explained ends as one line on standard error and exit code 1."""
    try:
        commands()
    except explained as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(1) from None
