"""The events of this repository, and the engine that makes rows of them."""

from datetime import timedelta

from features.events.flight_engine import KEPT_DAYS, FlightEngine
from features.events.flight_events import LEG_EVENTS
from features.events.stream import StreamDefinition

STREAM = StreamDefinition(events=LEG_EVENTS, engine=FlightEngine, kept=timedelta(days=KEPT_DAYS))
