"""What is said to those who are not let in: when to ask again, spread so that not all come at once."""

import random
from typing import Final

from inference.errors import OverloadedError

# Whole seconds, as `Retry-After` has them.
SOONEST, LATEST = 1, 3


def _refusal(wait: int) -> OverloadedError:
    told = f"more is asked than can be answered soon; nothing was done, ask again in {wait} s"
    return OverloadedError(told, headers={"Retry-After": str(wait)})


# One for each wait, which are said again and again and never raised.
SAID: Final = tuple(map(_refusal, range(SOONEST, LATEST + 1)))


def overloaded() -> OverloadedError:
    """The refusal of one request, to be raised."""
    return _refusal(SOONEST + _draw())


def said_overload() -> OverloadedError:
    """The refusal of one request, only to be said: making an exception takes as long as all the rest."""
    return SAID[_draw()]


def _draw() -> int:
    return int(random.random() * len(SAID))  # randint takes longer than a whole refusal
