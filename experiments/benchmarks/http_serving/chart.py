"""The measured servers as a picture: throughput and the slowest of a hundred answers."""

from collections.abc import Mapping
from math import inf
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from experiments.benchmarks.http_serving.contestants import ECHO, OURS
from experiments.benchmarks.http_serving.report import Measured, medians
from experiments.benchmarks.http_serving.tally import Load

COLOURS = {OURS: "#1b7837", ECHO: "#c2c2c2"}
OTHERS = "#7a7a7a"
# How far one label is above another at least, as a factor.
LABELS_APART = 1.3


def draw_chart(measured: Measured, path: Path) -> None:
    """Draw one row's throughput and p99, and rows a second by batch."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 3.8), layout="constrained")
    slowest_first = dict(sorted(measured.single.items(), key=lambda item: item[1].rate))
    _draw_bars(left, {name: load.rate for name, load in slowest_first.items()}, "requests/s", "{:,.0f}")
    _draw_bars(middle, {name: load.p99_ms for name, load in slowest_first.items()}, "p99, ms (log)", "{:.2f}")
    middle.set_xscale("log")
    _draw_batches(right, {batch: medians(loads) for batch, loads in measured.batches.items()})
    figure.suptitle(
        f"One worker, {measured.connections} connections, {measured.fields} features a row", x=0.01, ha="left"
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_bars(axes: Axes, values: Mapping[str, float], what: str, form: str) -> None:
    bars = axes.barh(
        list(values), list(values.values()), color=[COLOURS.get(name, OTHERS) for name in values]
    )
    axes.bar_label(bars, labels=[form.format(value) for value in values.values()], padding=3, fontsize=8)
    axes.set_title(what, loc="left", fontsize=10)
    axes.margins(x=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_batches(axes: Axes, batches: Mapping[int, Mapping[str, Load]]) -> None:
    names = [name for name in next(iter(batches.values())) if name != ECHO]
    rows = {name: [batch * loads[name].rate for batch, loads in batches.items()] for name in names}
    for name, values in rows.items():
        axes.plot(list(batches), values, marker="o", color=COLOURS.get(name, OTHERS))
    for name, height in spread_labels({name: values[-1] for name, values in rows.items()}).items():
        axes.annotate(name, (max(batches), height), textcoords="offset points", xytext=(8, -3), fontsize=8)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(right=max(batches) * 6)
    axes.set_xticks(list(batches), [str(batch) for batch in batches])
    axes.set_title("rows/s (log) by rows a request", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def spread_labels(heights: Mapping[str, float]) -> dict[str, float]:
    """Heights of labels on a log scale, moved down where one would lie on the one above."""
    spread: dict[str, float] = {}
    highest = inf
    for name, height in sorted(heights.items(), key=lambda item: -item[1]):
        spread[name] = min(height, highest)
        highest = spread[name] / LABELS_APART
    return spread
