"""Who calls, what they may do, and for how long that was found to be so."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from inference.access.rate_limit import RateLimit

Scope = Literal["predict", "events", "admin"]
SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `key:<id>` or `token:<subject>`; `None` where no access control is configured.

    No scope includes another: a key that is to do both names both.
    """

    id: str | None
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Grant:
    """A credential that was verified: it holds until `expires_at` (Unix seconds)."""

    caller: Caller
    expires_at: float
    limit: RateLimit | None


ANYBODY: Final = Caller(None, SCOPES)
NOBODY: Final = Caller(None, frozenset())
