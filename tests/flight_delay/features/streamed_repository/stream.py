"""The room's own events."""

from features.flight_delay.stream import STREAM

__all__ = ["STREAM"]
