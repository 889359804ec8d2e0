"""The replay as a chart: what retraining was worth, and when it was asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num

from contracts.problem import Problem
from experiments.replay.record import Record
from experiments.replay.scores import MonthScore, example_loss

mpl.use("Agg")

ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.97), "fontsize": 9}
SERVED, FROZEN, BASE, TRUTH, MARK = "#1b6ca8", "#c8553d", "#9aa0a6", "#222222", "#4c956c"


def draw_chart(
    path: Path, problem: Problem, scored: pd.DataFrame, months: Sequence[MonthScore], record: Record
) -> None:
    """Write the chart as PNG. `scored` is what `score_months` takes."""
    figure, axes = plt.subplots(3, 1, figsize=(10, 10.5), height_ratios=(3, 2.4, 2.4), layout="constrained")
    weekly = weekly_means(problem, scored)
    _draw_losses(axes[0], problem, weekly)
    _draw_rates(axes[1], problem, weekly)
    _draw_gains(axes[2], months)
    for axis in axes[:2]:
        _mark_retrainings(axis, record)
    axes[0].legend(frameon=False, ncols=4, **ABOVE)
    figure.suptitle(f"{problem.title}: the loop relived, week by week", fontsize=13, x=0.01, ha="left")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def weekly_means(problem: Problem, scored: pd.DataFrame) -> pd.DataFrame:
    """Weekly means: columns loss_<who>, mean_<who> and label; the index is the week's start."""
    label = scored["label"].to_numpy(dtype=float)
    columns = {"week": scored["week_start"], "label": label}
    for who in ("prediction", "frozen", "base_rate"):
        values = scored[who].to_numpy(dtype=float)
        columns[f"loss_{who}"] = example_loss(problem.task, label, values)
        columns[f"mean_{who}"] = values
    return pd.DataFrame(columns).groupby("week").mean()


def _draw_losses(axis: Axes, problem: Problem, weekly: pd.DataFrame) -> None:
    loss = "log loss" if problem.task == "binary" else "squared error"
    for who, colour, label in (
        ("base_rate", BASE, "base rate"),
        ("frozen", FROZEN, "frozen"),
        ("prediction", SERVED, "served"),
    ):
        axis.plot(weekly.index, weekly[f"loss_{who}"], color=colour, lw=2, label=label)
    _finish(axis, f"{loss} by week")


def _draw_rates(axis: Axes, problem: Problem, weekly: pd.DataFrame) -> None:
    axis.plot(weekly.index, weekly["label"], color=TRUTH, lw=1.5, label=f"{problem.label.name} (observed)")
    axis.plot(weekly.index, weekly["mean_prediction"], color=SERVED, lw=2, label="mean prediction, served")
    axis.plot(weekly.index, weekly["mean_frozen"], color=FROZEN, lw=2, label="mean prediction, frozen")
    axis.legend(frameon=False, ncols=3, **ABOVE)
    _finish(axis, f"{problem.label.name} rate by week")


def _draw_gains(axis: Axes, months: Sequence[MonthScore]) -> None:
    gains = [score.gain for score in months]
    means = np.array([gain.mean for gain in gains])
    spread = np.array([[gain.mean - gain.low, gain.high - gain.mean] for gain in gains]).T
    positions = np.arange(len(months))
    axis.bar(positions, means, color=[SERVED if mean < 0 else FROZEN for mean in means], width=0.6)
    axis.errorbar(positions, means, yerr=spread, fmt="none", color=TRUTH, capsize=4, lw=1.2)
    axis.axhline(0, color=TRUTH, lw=0.8)
    axis.set_xticks(positions, [score.month for score in months])
    _finish(
        axis, "served minus frozen, mean loss by month, 95 % interval by day (below 0: the loop is better)"
    )


def _mark_retrainings(axis: Axes, record: Record) -> None:
    for number, entry in enumerate(record.retrainings):
        style = "-" if entry.accepted else ":"
        label = "retrained (dotted: refused)" if number == 0 else None
        when = date2num(entry.as_of)  # type: ignore[no-untyped-call] # matplotlib leaves it so
        axis.axvline(when, color=MARK, lw=1.2, ls=style, label=label)


def _finish(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", alpha=0.25)
    axis.margins(x=0.01)
