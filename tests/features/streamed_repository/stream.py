"""The room's own events."""

from features.stream import STREAM

__all__ = ["STREAM"]
