"""`python -m inference keys`: create, list and revoke API keys; running servers follow within seconds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from inference.access.api_keys import ID_PATTERN, ApiKey
from inference.access.caller import SCOPES
from inference.access.errors import AccessConfigurationError
from inference.access.key_file import add_key, read_keys, remove_key
from inference.access.rate_limit import Rate
from inference.settings import InferenceSettings

keys_app = typer.Typer(
    help="Create, list and revoke the API keys in the file ROUNDTRIP_API_KEYS.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="What the key is called: lower-case letters, digits and hyphens.")]


@keys_app.command(name="create")
def create_key(
    name: Name,
    scope: Annotated[list[str] | None, typer.Option(help="predict, events or admin; once for each.")] = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="Days for which it holds; for ever if not given.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Requests a second; the default if not given.")
    ] = None,
    burst: Annotated[int | None, typer.Option(min=1, help="Requests that may come at once.")] = None,
) -> None:
    """Add a key and print it, this once: the file holds only its hash."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    try:
        key, token = ApiKey.create(name, scope or ["predict"], expires_at, Rate.declared(rate, burst))
        add_key(_key_file(), key)
    except ValidationError:
        _fail(f"a key's name is like {ID_PATTERN}, its scopes are of {sorted(SCOPES)}, its rate is above 0")
    except AccessConfigurationError as error:
        _fail(str(error))
    typer.echo(token)


@keys_app.command(name="list")
def list_keys() -> None:
    """Show each key's name, scopes and end; nothing of the keys themselves."""
    try:
        keys = read_keys(_key_file())
    except AccessConfigurationError as error:
        _fail(str(error))
    for key in keys:
        end = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "for ever"
        rate = f"{key.rate.per_second:g}/s, {key.rate.burst} at once" if key.rate else "default rate"
        typer.echo(f"{key.id}  {'+'.join(sorted(key.scopes))}  {end}  {rate}")


@keys_app.command(name="revoke")
def revoke_key(name: Name) -> None:
    """Remove a key; servers refuse it within seconds."""
    try:
        remove_key(_key_file(), name)
    except AccessConfigurationError as error:
        _fail(str(error))
    typer.echo(f"{name} is revoked")


def _key_file() -> Path:
    path = InferenceSettings().api_keys
    if path is None:
        _fail("set ROUNDTRIP_API_KEYS to the path of the file of keys, for this command and for the service")
    return path


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
