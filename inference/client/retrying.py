"""When to ask again, and after how long: exponential back-off with full jitter, `Retry-After` honoured.

Method: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

# Nothing was done: the service was busy or not ready, or something in front of it could not reach it.
PASSING: Final = frozenset({429, 502, 503, 504})

Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is tried, and how long is waited in between, in seconds.

    After attempt n it waits a random time up to `first_wait * 2**(n - 1)`, at most `longest_wait`, and never
    less than `Retry-After`; a service that asks for more than `longest_retry_after` is not asked again.
    """

    attempts: int = 5
    first_wait: float = 0.1
    longest_wait: float = 5.0
    longest_retry_after: float = 30.0

    def wait_after(self, outcome: Outcome, attempt: int) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1); `None` to leave it at the outcome.

        Every call may be sent again: it only reads, or what it tells has ids, so that it counts once.
        """
        if attempt >= self.attempts or not _may_pass(outcome):
            return None
        asked_for = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        if asked_for is not None and asked_for > self.longest_retry_after:
            return None
        backoff = random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)))
        return max(backoff, asked_for or 0.0)


NO_RETRIES: Final = RetryPolicy(attempts=1)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, section 10.2.3: a number, or a date)."""
    given = response.headers.get("retry-after", "").strip()
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _may_pass(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in PASSING
    return not isinstance(outcome, httpx.UnsupportedProtocol)
