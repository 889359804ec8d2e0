"""A declared table of windows as an Ibis expression: what enters and leaves, added up over time."""

from functools import reduce

import ibis
import ibis.expr.types as ir

from features.compute.clocks import instant
from features.windows.running_totals import per, round_up, running_totals, steps
from features.windows.windowed_table import Between, Feature, Moment, Reach, Span, Value, WindowedTable


def build_windowed(rows: ir.Table, table: WindowedTable) -> ir.Table:
    """Return the keys, every feature and `event_timestamp`; counts are zeros when a window has run empty."""
    changes = [_changes(rows, table, span) for span in table.spans]
    if table.reach is None:
        totals = running_totals(changes, table.keys)
    else:
        spine = _every_instant(rows, table, table.reach)
        everything = running_totals([*changes, spine], table.keys)
        totals = _add_sums_over_keys(everything.semi_join(spine, [*table.keys, "minute"]), table)
    features = {feature.name: _feature(totals, feature, table.offset) for feature in table.features}
    return totals.select(*table.keys, event_timestamp=instant(totals.minute + table.offset), **features)


def _changes(rows: ir.Table, table: WindowedTable, span: Span) -> ir.Table:
    enter = _moment(rows, span.enter)
    if isinstance(span.leave, int):
        leave = round_up(enter, table.grid) + span.leave
    else:
        leave = _moment(rows, span.leave)
    totals = {name: _value(rows, value) for name, value in span.totals.items()}
    return steps(rows, table.keys, enter, leave, totals, table.grid)


def _moment(rows: ir.Table, moment: Moment) -> ir.IntegerValue:
    return reduce(_earliest, [rows[column] + shift for column, shift in moment.terms])


def _earliest(one: ir.IntegerValue, other: ir.IntegerValue) -> ir.IntegerValue:
    return ibis.least(ibis.coalesce(one, other), ibis.coalesce(other, one))


def _value(rows: ir.Table, value: Value) -> ir.IntegerValue:
    number = ibis.literal(1, "int64") if value.column is None else rows[value.column]
    if value.minus is not None:
        number = number - rows[value.minus]
    if value.low is not None or value.high is not None:
        number = number.clip(value.low, value.high)
    for condition in value.where:
        number = number * _holds(rows, condition).cast("int64")
    return number if value.column is None and not value.where else ibis.coalesce(number, 0)


def _holds(rows: ir.Table, condition: Between) -> ir.BooleanValue:
    column = rows[condition.column]
    from_low = [] if condition.low is None else [column >= condition.low]
    to_end = [] if condition.below is None else [column < condition.below]
    return ibis.and_(*from_low, *to_end)


def _every_instant(rows: ir.Table, table: WindowedTable, reach: Reach) -> ir.Table:
    column = rows[reach.column]
    ends = rows.agg(first=round_up(column.min() - reach.ahead, table.grid), last=column.max())
    minutes = ends.select(minute=ibis.range(ends.first, ends.last, table.grid).unnest())
    return rows.select(*table.keys).distinct().cross_join(minutes)


def _add_sums_over_keys(totals: ir.Table, table: WindowedTable) -> ir.Table:
    summed = [feature for feature in table.features if feature.over_all_keys]
    names = dict.fromkeys(name for feature in summed for name in (feature.total, feature.per) if name)
    everyone = ibis.window(group_by="minute")
    return totals.mutate(**{_over_keys(name): totals[name].sum().over(everyone) for name in names})


def _feature(totals: ir.Table, feature: Feature, offset: int) -> ir.NumericValue:
    total, divisor = feature.total, feature.per
    if feature.over_all_keys:
        total, divisor = _over_keys(total), divisor and _over_keys(divisor)
    number = totals[total] if divisor is None else per(totals[total], totals[divisor])
    return totals.minute + offset - number if feature.age else number


def _over_keys(name: str) -> str:
    return f"{name}_over_keys"
