"""What is said to those who are not let in: when to ask again, spread so that not all come at once."""

import random
from typing import Final

from inference.errors import OverloadedError

# Whole seconds, as `Retry-After` has them.
SOONEST, LATEST = 1, 3
MESSAGES: Final = {
    wait: f"more is asked than can be answered soon; nothing was done, ask again in {wait} s"
    for wait in range(SOONEST, LATEST + 1)
}


def overloaded() -> OverloadedError:
    """The refusal of one request."""
    wait = SOONEST + int(random.random() * (LATEST - SOONEST + 1))  # randint takes longer than all the rest
    return OverloadedError(MESSAGES[wait], headers={"Retry-After": str(wait)})
