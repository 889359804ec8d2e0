"""The observations of a rollout: one for each time that the split drew an arm for a unit. Pure.

A caller who comes back tells of the same draw again: a test by requests takes a few demanding callers in one
arm for a fault of its model. Each step of a canary draws anew for the units that the champion still has.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

UNIT: Final = "unit"
POSITION: Final = "position"
STEP: Final = "step"
SHARE: Final = "share"
NONE_YET: Final = -1


def first_of_each_draw(rows: pd.DataFrame, shares: Sequence[float]) -> pd.DataFrame:
    """The first row of each draw, in the order of `rows`, with the `share` by which it was drawn.

    `rows`: `unit`, its `position` in [0, 1) and `step`, in the order in which they could be known. `shares`:
    of each step, growing. A unit counts again where its step is later than all before and the champion had it
    till then; the challenger's chance is then that of a position among those that were left to the champion,
    so that the arm is drawn independently of everything seen before.
    """
    known = rows.groupby(UNIT, sort=False)[STEP].cummax()
    latest = known.groupby(rows[UNIT], sort=False).shift(fill_value=NONE_YET).to_numpy(np.int64)
    earlier = np.asarray([*shares, 0.0])[latest]  # none yet: the last of them
    drawn = (rows[STEP].to_numpy() > latest) & (rows[POSITION].to_numpy() >= earlier)
    share = (np.asarray(shares)[rows[STEP].to_numpy()] - earlier) / (1 - earlier)
    draws: pd.DataFrame = rows.assign(**{SHARE: share})[drawn]
    return draws


def first_of_each_unit(rows: pd.DataFrame) -> pd.DataFrame:
    """The first row of each unit: where both models score every request, nothing is drawn."""
    return rows.drop_duplicates(UNIT, keep="first")
