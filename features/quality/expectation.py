"""What a table must satisfy: a Pandera schema for its rows, and bounds for the table as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pandera.pandas as pa

Columns = dict[str, pa.Column]

# A feature that is nearly always missing is a broken one; a few rows can be missing it by chance.
LARGEST_NULL_SHARE = 0.98
FEWEST_ROWS = 1_000


@dataclass(frozen=True)
class Expectation:
    """What one table must satisfy.

    `schema` holds for every row. The rest holds for the table: `null_shares` is the largest share of missing
    values per column (`LARGEST_NULL_SHARE` for those not named; from `FEWEST_ROWS` rows on), `lifetime` how
    old the newest row may be at the end of what is known, `largest_gap` the longest time without any row
    (the lifetime if not set), `ahead` how far after the end of the data a row may lie.
    """

    schema: pa.DataFrameSchema
    null_shares: Mapping[str, float] = field(default_factory=dict)
    lifetime: timedelta | None = None
    largest_gap: timedelta | None = None
    ahead: timedelta = timedelta(0)

    def null_limit(self, column: str) -> float:
        """The largest share of missing values that the column may have."""
        return self.null_shares.get(column, LARGEST_NULL_SHARE)

    @property
    def gap_limit(self) -> timedelta | None:
        """The longest time that may pass without any row."""
        return self.largest_gap or self.lifetime
