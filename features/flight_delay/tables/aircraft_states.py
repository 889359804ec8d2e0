"""The states of an aircraft, and which one counts when several come in one minute."""

from typing import Final

WAITING: Final = "waiting"
GONE: Final = "gone"
LANDED: Final = "landed"
GIVEN_UP: Final = "given_up"

# When two things happen to one aircraft in the same minute, the later in this order is its state.
ORDER: Final = {GIVEN_UP: 0, LANDED: 1, WAITING: 2, GONE: 3}
