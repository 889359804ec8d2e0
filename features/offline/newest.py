"""The as-of join on whole numbers: each asked key's newest row at or before an instant, by binary search."""

from collections.abc import Sequence

import numpy as np

from features.offline.keys import Whole

NOTHING = -1


def newest_rows(codes: Whole, times: Sequence[Whole], asked: Whole, instants: Whole) -> Whole:
    """Return the position of the newest row of each asked code at or before its instant, else -1.

    `codes` and `times` describe the rows to find: their keys; their event times, then what decides between
    rows that tie on these, the larger the newer.
    """
    if not len(codes) or not len(asked):
        return np.full(len(asked), NOTHING, dtype=np.int64)
    order = np.lexsort((*reversed(times), _narrowed(codes)))
    starts = np.searchsorted(codes[order], np.arange(asked.max() + 2))
    before = starts[asked] - 1
    at = _last_until(times[0][order], instants, before, starts[asked + 1] - 1)
    return np.where(at > before, order[at], NOTHING)


def drop_expired(found: Whole, events: Whole, instants: Whole, ttl: int) -> Whole:
    """Return found positions, but -1 for rows that are older than `ttl` microseconds at the instant."""
    if not len(events):
        return found
    return np.where(instants - events[found] <= ttl, found, NOTHING)


def _narrowed(codes: Whole) -> np.ndarray:
    """Return codes in the smallest type that holds them: NumPy sorts up to 16 bits without comparing."""
    return codes.astype(np.min_scalar_type(codes.max()))


def _last_until(events: Whole, instants: Whole, before: Whole, last: Whole) -> Whole:
    """Search every instant in a stretch of its own, (before, last]; `before` where all of it is later."""
    at = before
    for bit in reversed(range(int((last - before).max()).bit_length())):
        ahead = at + (1 << bit)
        fits = ahead <= last
        fits &= events.take(ahead, mode="clip") <= instants
        at = np.where(fits, ahead, at)
    return at
