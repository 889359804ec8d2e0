"""The bounds of a table as a whole: how much may be missing, how old it may be, how far it may reach."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from features.offline.asof_sql import instant_sql
from features.quality.expectation import FEWEST_ROWS, Expectation
from features.quality.layout import missing_condition
from features.quality.measure import TableMeasure, epoch_us
from features.quality.source import TableSource
from features.quality.violation import Violation

FEED = "see what should have written it, and build the table again; or give the view a longer TTL"
HOLE = "find the rows that were lost and build again; or allow it with `largest_gap` in `expectations.py`"
FUTURE = "mend the clock or the zone of what wrote these rows, or leave them out"
MISSING = "see what should have filled it; or allow it with `null_shares` in `expectations.py`"


def find_bound_violations(
    source: TableSource,
    types: dict[str, str],
    expectation: Expectation,
    measure: TableMeasure,
    known_until: datetime,
) -> list[Violation]:
    """Return where the table, measured, is outside its bounds; `known_until` (UTC) ends what is known."""
    return [
        *_find_stopped(source, expectation, measure, known_until),
        *_find_gap(source, expectation, measure),
        *_find_missing(types, expectation, measure),
    ]


def find_future(timestamp: str, newest: datetime | None, latest: datetime) -> list[Violation]:
    """Return the violation of a table whose newest row of all is after `latest` (UTC)."""
    if newest is None or newest <= latest:
        return []
    after = f"{instant_sql(timestamp)} > {epoch_us(latest)}"
    check = f"no row after {latest:%Y-%m-%d %H:%M}"
    return [Violation(timestamp, check, f"{newest:%Y-%m-%d %H:%M}", FUTURE, after, concerns_time=True)]


def _find_stopped(
    source: TableSource, expectation: Expectation, measure: TableMeasure, known_until: datetime
) -> Iterator[Violation]:
    if source.timestamp is None or measure.newest is None or not expectation.lifetime:
        return
    age = known_until - measure.newest
    if age > expectation.lifetime:
        last = f"{instant_sql(source.timestamp)} = {epoch_us(measure.newest)}"
        check = f"a row not older than {expectation.lifetime} at {known_until:%Y-%m-%d %H:%M}"
        yield Violation(source.timestamp, check, f"it stopped {age} before", FEED, last, concerns_time=True)


def _find_gap(source: TableSource, expectation: Expectation, measure: TableMeasure) -> Iterator[Violation]:
    limit, seconds = expectation.gap_limit, measure.largest_gap_seconds
    if source.timestamp is None or not limit or seconds is None or measure.gap_end is None:
        return
    gap = timedelta(seconds=seconds)
    if gap > limit:
        instant = instant_sql(source.timestamp)
        edges = f"{instant} IN ({epoch_us(measure.gap_end - gap)}, {epoch_us(measure.gap_end)})"
        found = f"none for {gap} before {measure.gap_end:%Y-%m-%d %H:%M}"
        yield Violation(
            source.timestamp, f"a row at least every {limit}", found, HOLE, edges, concerns_time=True
        )


def _find_missing(
    types: dict[str, str], expectation: Expectation, measure: TableMeasure
) -> Iterator[Violation]:
    if measure.rows < FEWEST_ROWS:
        return
    for name, share in measure.null_rate.items():
        limit = expectation.null_limit(name)
        if share > limit:
            missing = missing_condition(name, types[name])
            yield Violation(name, f"at most {limit:.0%} missing", f"{share:.1%}", MISSING, missing)
