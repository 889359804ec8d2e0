"""What the commands of all rooms have in common."""

from collections.abc import Callable
from datetime import UTC, datetime

import typer

from features.errors import UnreadableSettingError


def run_commands(commands: Callable[[], object], *explained: type[Exception]) -> None:
    """Run a room's commands; what these errors, and a setting, explain is one line and exit code 1."""
    expected: tuple[type[Exception], ...] = (UnreadableSettingError, *explained)
    try:
        commands()
    except expected as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise SystemExit(1) from None


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 moment; it must carry a zone. The answer is UTC.

    Raises:
        typer.BadParameter: it is no such moment.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not ISO 8601, such as 2013-04-01T00:00:00Z") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone; write it as {moment.isoformat()}Z")
    return moment.astimezone(UTC)
