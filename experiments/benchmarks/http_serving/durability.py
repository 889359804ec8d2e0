"""What it costs that an answer survives a loss of power: named figures, and the lines of a page."""

from collections.abc import Iterator, Mapping, Sequence

from experiments.benchmarks.http_serving.contestants import OURS, OURS_DURABLE
from experiments.benchmarks.http_serving.measuring import middle
from experiments.benchmarks.http_serving.tally import Load

# One waits for a sync of its own each time; many share one.
CALLERS = (1, 32)
SETTINGS = {OURS: "process", OURS_DURABLE: "power"}
HEADS = ("callers, 1 row", "`ROUNDTRIP_LOG_DURABILITY`", "answers/s", "of `process`", "p50 ms", "p99 ms")

ByCallers = Mapping[int, Mapping[str, Sequence[Load]]]


def make_durability_figures(durability: ByCallers) -> dict[str, float | str]:
    """Every median by setting and callers, and what share of the answers is left."""
    figures: dict[str, float | str] = {}
    for callers, setting, load, share in _medians(durability):
        suffix = f"{setting}_callers_{callers}"
        figures |= {f"rate_{suffix}": load.rate, f"p50_ms_{suffix}": load.p50_ms}
        figures |= {f"p99_ms_{suffix}": load.p99_ms, f"{suffix}_refused": load.refused}
        figures |= {f"ratio_power_vs_process_callers_{callers}": share} if setting == "power" else {}
    return figures


def durability_lines(durability: ByCallers) -> list[str]:
    """A table in Markdown."""
    rows = [
        (
            *(str(callers), setting, f"{load.rate:,.0f}", f"{share:.2f}"),
            *(f"{load.p50_ms:.2f}", f"{load.p99_ms:.2f}"),
        )
        for callers, setting, load, share in _medians(durability)
    ]
    return ["| " + " | ".join(cells) + " |" for cells in (HEADS, ("--:",) * len(HEADS), *rows)]


def _medians(durability: ByCallers) -> Iterator[tuple[int, str, Load, float]]:
    """Callers, setting, medians of the rounds, and the rate as a share of the one by default."""
    for callers, loads in durability.items():
        default = middle(loads[OURS]).rate
        for name, setting in SETTINGS.items():
            load = middle(loads[name])
            yield callers, setting, load, load.rate / default
