"""What is asked about one flight, and what one look-up answers."""

from dataclasses import dataclass
from typing import Literal

Values = dict[str, float | str | None]
Status = Literal["present", "missing", "stale"]


@dataclass(frozen=True)
class Question:
    """One flight as a caller describes it; instants are epoch minutes, `instant` is when it is asked."""

    origin: str
    carrier: str
    dest: str
    flight: int
    tailnum: str | None
    distance: float
    departure: float
    arrival: float
    instant: float


@dataclass(frozen=True)
class Row:
    """What was known of one key, and since when (epoch minutes)."""

    at: float
    values: Values
