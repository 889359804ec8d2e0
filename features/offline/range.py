"""Retrieval without entity rows: every key that the tables know at `end_date`, as of `end_date`.

As with Feast's Dask and Spark stores it is a snapshot. A key is in it if a view has a row of it that is alive
at `end_date`, and not before `start_date` where one is given. Two differences from the Dask store, which
answers neither right: it does not look at `start_date`, and where several views are asked it keeps one row
in all, since it crosses the views' keys with each other. Views must have the same keys, or none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from feast import OnDemandFeatureView

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import (
    FIRST_MOMENT,
    AsOfSource,
    moment_sql,
)
from features.offline.entities import EVENT_TIMESTAMP, EntityBounds
from features.offline.parquet_sql import quote
from features.schema.on_demand import request_inputs
from features.timestamps import MICROSECOND, from_microseconds, to_microseconds


def key_bounds(
    sources: Sequence[AsOfSource],
    on_demand: Sequence[OnDemandFeatureView],
    start: datetime | None,
    end: datetime | None,
) -> EntityBounds:
    """Return the keys that the views share, and the range.

    Raises:
        UnsupportedRetrievalError: no end, views with different keys, or an on-demand view that reads request
            fields: only entity rows can say what these are.
    """
    keys = {frozenset(key.answer for key in source.keys) for source in sources} - {frozenset()}
    asking = [view.name for view in on_demand if request_inputs(view)]
    if end is None or len(keys) > 1 or asking:
        reason = f"on-demand views {asking} read request fields" if asking else "the views' keys differ"
        raise UnsupportedRetrievalError(
            f"{reason if end else 'no end_date was given'}; pass an entity frame with `{EVENT_TIMESTAMP}`"
        )
    last = from_microseconds(to_microseconds(end))
    first = from_microseconds(to_microseconds(start)) if start else last - _longest_ttl(sources)
    return EntityBounds(sorted(next(iter(keys), ())), first, last)


def keys_in_range(sources: Sequence[AsOfSource], start: datetime | None, bounds: EntityBounds) -> str:
    """Return the SQL of the entity rows: each key once, at the range's end; without keys one row."""
    end = to_microseconds(bounds.last) if bounds.last else 0
    instant = f"SELECT {moment_sql(end)} AS {EVENT_TIMESTAMP}"
    if not bounds.keys:
        return instant
    first = to_microseconds(start) if start else FIRST_MOMENT
    known = " UNION ".join(_known_keys(source, first, end) for source in sources if source.keys)
    return f"{instant}, * FROM ({known}) ORDER BY ALL"


def _known_keys(source: AsOfSource, first: int, end: int) -> str:
    keys = sorted(source.keys, key=lambda key: key.answer)
    alive = max(first, end - source.ttl // MICROSECOND) if source.ttl else first
    conditions = [
        f"{quote(source.timestamp)} BETWEEN {moment_sql(max(alive, FIRST_MOMENT))} AND {moment_sql(end)}",
        *(f"{quote(key.source)} IS NOT NULL" for key in keys),
    ]
    if source.known_only and source.created:
        conditions.append(f"{quote(source.created)} <= {moment_sql(end)}")
    selected = ", ".join(f"{quote(key.source)} AS {quote(key.answer)}" for key in keys)
    return f"SELECT DISTINCT {selected} FROM {source.table} WHERE {' AND '.join(conditions)}"


def _longest_ttl(sources: Sequence[AsOfSource]) -> timedelta:
    """Return how far back Feast looks if it is not told: the longest TTL, 30 days without one."""
    return max((source.ttl for source in sources if source.ttl), default=timedelta(days=30))
