"""What overload came to: named figures, and the lines of a page."""

from collections.abc import Iterable, Sequence
from statistics import median

from experiments.benchmarks.http_serving.overload import CALM_SHARE, TIMES, Overload

HEADS = (
    "rows a request",
    "answers/s, callers wait",
    f"p99 ms at {CALM_SHARE:.0%} of that",
    f"p99 ms of the accepted at {TIMES:.0f} times that",
    "times as long",
    "accepted/s",
    "200",
    "429 or 503",
    "other",
)


def make_overload_figures(overloads: Iterable[Overload]) -> dict[str, float | str]:
    """Every figure by name; those for one row a request have the short names."""
    figures: dict[str, float | str] = {}
    for each in overloads:
        suffix = "" if each.batch == 1 else f"_batch_{each.batch}"
        figures |= {f"overload_{name}{suffix}": value for name, value in _figures(each).items()}
    return figures


def overload_lines(overloads: Sequence[Overload]) -> list[str]:
    """A table in Markdown."""
    rows = [HEADS, ("--:",) * len(HEADS), *map(_cells, overloads)]
    return ["| " + " | ".join(cells) + " |" for cells in rows]


def _cells(each: Overload) -> tuple[str, ...]:
    return (
        *(str(each.batch), f"{each.capacity:,.0f}", f"{each.calm_p99_ms:.2f}", f"{each.p99_ms:.2f}"),
        *(f"{each.p99_ratio:.1f}", f"{each.accepted:,.0f}"),
        *(f"{each.statuses[200]:,}", f"{each.refused:,}", f"{each.otherwise:,}"),
    )


def _figures(each: Overload) -> dict[str, float]:
    calm, over = [one.calm for one in each.rounds], [one.overload for one in each.rounds]
    return {
        "p99_ratio": each.p99_ratio,
        "capacity": each.capacity,
        "accepted_share": each.accepted / each.capacity,
        "unloaded_p50_ms": median(load.p50_ms for load in calm),
        "unloaded_p99_ms": each.calm_p99_ms,
        "p50_ms": median(load.p50_ms for load in over),
        "p99_ms": each.p99_ms,
        "onset_p99_ms": median(load.warm_up_p99_ms for load in over),
        "answered_200": each.statuses[200],
        "refused_429": each.statuses[429],
        "refused_503": each.statuses[503],
        "answered_otherwise": each.otherwise,
        "unloaded_refused": sum(load.asked - load.statuses.get(200, 0) for load in calm),
        "wrong": sum(load.wrong for load in (*calm, *over)),
        "unsaid": sum(load.unsaid for load in (*calm, *over)),
        "missed": sum(load.missed for load in (*calm, *over)),
        "unloaded_late_p99_ms": median(load.late_p99_ms for load in calm),
        "late_p99_ms": median(load.late_p99_ms for load in over),
    }
