"""The events of this repository, and the engine that makes rows of them."""

from features.events.flight_engine import FlightEngine
from features.events.flight_events import LEG_EVENTS
from features.events.stream import StreamDefinition

STREAM = StreamDefinition(events=LEG_EVENTS, engine=FlightEngine)
