"""The events of this repository, and the processor that makes rows of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from features.flight_delay.events.leg_events import LEG_EVENTS
from features.flight_delay.events.leg_processor import KEPT_DAYS, LegProcessor
from features.streaming.definition import StreamDefinition
from features.streaming.event import Event


def _replay(raw_dir: Path | None, start: datetime, end: datetime) -> Iterable[Event]:
    from features.flight_delay.events.replay import (
        replay_period,  # Ibis: the service takes events in without it
    )

    return replay_period(raw_dir, start, end)


STREAM = StreamDefinition(
    events=LEG_EVENTS, processor=LegProcessor, kept=timedelta(days=KEPT_DAYS), replay=_replay
)
