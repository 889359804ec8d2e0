"""The commands of events: write those that the raw data would have sent, take in a file of events."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from features.command_line import parse_moment
from features.errors import NoStreamError
from features.settings import FeatureSettings

Bound = Annotated[
    datetime,
    typer.Option(parser=parse_moment, metavar="MOMENT", help="Only raw data of these hours; with its zone."),
]


def replay_events_command(start: Bound, end: Bound) -> None:
    """Print the events that the raw files of a period would have sent, a JSON object per line."""
    from features.streaming.loading import read_definition

    settings = FeatureSettings()
    replay = read_definition(settings).replay
    if replay is None:
        raise NoStreamError(
            "this feature repository replays no events: STREAM in its stream.py has no `replay`"
        )
    for event in replay(settings.raw_dir, start, end):
        typer.echo(event.model_dump_json())


def stream_command(
    events: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON object per line.")],
    batch: Annotated[int, typer.Option(min=1, help="Events taken in at once.")] = 500,
    push_from: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_moment,
            metavar="MOMENT",
            help="Push only rows from here on (with its zone): events of before fill windows.",
        ),
    ] = None,
) -> None:
    """Take in a file of events, push what they change; what was taken in before counts once."""
    from features.streaming.loading import load_stream

    stream, now = load_stream(FeatureSettings()), datetime.now(UTC)
    try:
        if push_from is not None:
            stream.push_from(push_from)
        with events.open("rb") as lines:
            filled = (line for line in lines if line.strip())
            while some := list(islice(filled, batch)):
                body = b'{"events": [' + b",".join(some) + b"]}"
                receipt = stream.accept(stream.decode(body, batch), now)
                stream.publish()
                typer.echo(f"{receipt.accepted} accepted, {receipt.duplicates} known before")
    finally:
        stream.close()
