"""How often one caller may ask: a token bucket that is one number."""

from math import ceil
from time import monotonic
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from inference.access.errors import RateLimitedError


class Rate(BaseModel):
    """Requests a second in the long run, and how many may come at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_second: float = Field(gt=0, allow_inf_nan=False)
    burst: int = Field(ge=1)

    @classmethod
    def declared(cls, per_second: float | None, burst: int | None) -> Self | None:
        """The rate that two settings declare; a burst that is not given is one second's worth."""
        if per_second is None:
            return None
        return cls(per_second=per_second, burst=burst or max(1, ceil(per_second)))


class RateLimit:
    """A bucket of `burst` tokens that fills at `per_second`, kept as the instant at which it is full.

    This is the generic cell rate algorithm (ITU-T I.371, annex A), equal to a token bucket; its one number is
    all the memory that a caller takes. Each process counts for itself.
    """

    __slots__ = ("_full_at", "_interval", "_tolerance", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._full_at = 0.0

    def take(self) -> None:
        """Take one token.

        Raises:
            RateLimitedError: there is none; nothing was taken.
        """
        now = monotonic()
        full_at = max(self._full_at, now)
        early = full_at - now - self._tolerance
        if early > 0:
            raise RateLimitedError(self.rate.per_second, max(1, ceil(early)))
        self._full_at = full_at + self._interval
