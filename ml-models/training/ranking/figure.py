"""A ranking as a bar chart: mean importance, its spread over the windows, and what could be dropped."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure

from contracts.problem import Problem
from training.ranking.importance import RankedFeature

WIDTH, HEIGHT_PER_FEATURE, HEIGHT = 8.0, 0.22, 1.2
KEPT, DROPPED = "tab:blue", "tab:red"


def draw_ranking(path: Path, problem: Problem, ranking: Sequence[RankedFeature]) -> None:
    """Draw the ranking, most important on top; features that could be dropped are red."""
    figure = Figure(figsize=(WIDTH, HEIGHT + HEIGHT_PER_FEATURE * len(ranking)), layout="tight")
    axes = figure.subplots()
    features = list(reversed(ranking))
    axes.barh(
        [feature.name for feature in features],
        [feature.mean for feature in features],
        xerr=[feature.std for feature in features],
        color=[DROPPED if feature.advice == "drop" else KEPT for feature in features],
        ecolor="black",
    )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"{problem.primary_metric}: how much worse when shuffled (bar: std over windows)")
    axes.margins(y=0.01)
    figure.savefig(path, dpi=80)
