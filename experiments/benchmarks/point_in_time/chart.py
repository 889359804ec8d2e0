"""The measured joins as a picture: engines beside each other, and how ours grows."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from experiments.benchmarks.point_in_time.measuring import Measured

OURS, OTHERS = "#1b7837", "#7a7a7a"


def draw_chart(
    engines: Mapping[str, Measured], peer: Measured, sizes: Mapping[int, Measured], folder: Path
) -> Path:
    """Draw `features.png` into the folder."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    bars = {"bare SQL": engines["sql"], "as-of store": engines["asof"], "Feast's DuckDB store": peer}
    _draw_engines(left, bars)
    if sizes:
        _draw_growth(middle, {rows: m.seconds for rows, m in sizes.items()}, "seconds")
        _draw_growth(right, {rows: m.peak_mib / 1024 for rows, m in sizes.items()}, "peak memory, GiB")
    path = folder / "features.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def _draw_engines(axes: Axes, engines: Mapping[str, Measured]) -> None:
    for name, measured in engines.items():
        axes.plot([measured.seconds], [name], marker="o", color=OURS if name == "as-of store" else OTHERS)
        axes.annotate(
            f"{measured.seconds:.1f} s", (measured.seconds, name), textcoords="offset points", xytext=(7, 5)
        )
    axes.set_xscale("log")
    axes.set_title("One year, all views", loc="left", fontsize=10)
    axes.set_xlabel("seconds (log)")
    axes.margins(x=0.25, y=0.2)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_growth(axes: Axes, values: Mapping[int, float], what: str) -> None:
    millions = [rows / 1e6 for rows in values]
    axes.plot(millions, list(values.values()), marker="o", color=OURS)
    for x, value in zip(millions, values.values(), strict=True):
        axes.annotate(f"{value:.1f}", (x, value), textcoords="offset points", xytext=(4, -12))
    axes.set_title(f"Parquet to Parquet: {what}", loc="left", fontsize=10)
    axes.set_xlabel("million entity rows")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0, top=max(values.values()) * 1.15)
    axes.spines[["top", "right"]].set_visible(False)
