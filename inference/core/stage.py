"""The stages of a request, which metrics and traces time."""

from typing import Literal

Stage = Literal["decode", "access", "features", "queue", "score", "explain", "log", "commit", "total"]
