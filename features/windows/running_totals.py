"""Running totals: what enters and leaves a window, summed at every moment it changes.

A row enters a window at one minute and leaves it at another; +value and -value at those two minutes, summed
cumulatively, are the window's content. All values are whole numbers held as doubles, so the totals are exact
and do not depend on what else is in the table. A window that runs empty has a row that says so.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir


def round_up(minute: ir.IntegerValue, grid: int) -> ir.IntegerValue:
    """Return the first grid minute at which something that happened at `minute` is known."""
    return ((minute + grid - 1) // grid) * grid


def steps(
    rows: ir.Table,
    keys: Sequence[str],
    enter: ir.IntegerValue,
    leave: ir.IntegerValue,
    totals: dict[str, ir.IntegerValue],
    grid: int,
) -> ir.Table:
    """Return the signed changes that `rows` make to `totals` when they enter and leave a window.

    `enter` and `leave` are epoch minutes; both are rounded up to `grid`. Rows that leave when they enter, or
    have no `enter`, change nothing. Columns: `keys`, `minute`, one per total.
    """
    moved = rows.mutate(_enter=round_up(enter, grid), _leave=round_up(leave, grid), **_as_doubles(totals))
    moved = moved.filter(moved._enter < moved._leave)
    entering = moved.select(*keys, *totals, minute=moved._enter)
    leaving = moved.select(*keys, minute=moved._leave, **_negated(moved, totals))
    changes = entering.union(leaving.select(*entering.columns))
    return changes.group_by([*keys, "minute"]).agg(**{name: changes[name].sum() for name in totals})


def running_totals(changes: Sequence[ir.Table], keys: Sequence[str]) -> ir.Table:
    """Add up changes over time: one row per key and minute of change, holding every total from then on.

    The tables in `changes` may carry different totals; a total that a table does not mention is unchanged.
    """
    totals = list(dict.fromkeys(name for table in changes for name in table.columns))
    totals = [name for name in totals if name not in (*keys, "minute")]
    aligned = [_aligned(table, keys, totals) for table in changes]
    merged = aligned[0] if len(aligned) == 1 else ibis.union(*aligned)
    netted = merged.group_by([*keys, "minute"]).agg(**{name: merged[name].sum() for name in totals})
    so_far = ibis.cumulative_window(group_by=list(keys), order_by="minute")
    return netted.mutate(**{name: netted[name].sum().over(so_far) for name in totals})


def per(total: ir.IntegerValue, count: ir.IntegerValue) -> ir.FloatingValue:
    """Return total / count, null when the count is zero."""
    return total / count.nullif(0)


def _as_doubles(totals: dict[str, ir.NumericValue]) -> dict[str, ir.NumericValue]:
    return {name: value.cast("float64") for name, value in totals.items()}


def _negated(rows: ir.Table, totals: dict[str, ir.IntegerValue]) -> dict[str, ir.IntegerValue]:
    return {name: -rows[name] for name in totals}


def _aligned(table: ir.Table, keys: Sequence[str], totals: Sequence[str]) -> ir.Table:
    zero = ibis.literal(0.0, "float64")
    columns = {name: table[name] if name in table.columns else zero for name in totals}
    return table.select(*keys, "minute", **columns)
