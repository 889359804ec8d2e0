"""Figures of one model on one window: curves, distributions, slices. Drawn without a display."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from contracts.evaluate import Evaluation
from contracts.metrics import CALIBRATION_BINS, Floats
from contracts.problem import Problem

SIZE = (5.0, 4.0)
BINS = 40


def draw_figures(
    folder: Path, problem: Problem, label: Floats, prediction: Floats, evaluation: Evaluation
) -> list[Path]:
    """Draw the task's figures into `folder` as PNG; return their paths."""
    draw = _binary_figures if problem.task == "binary" else _regression_figures
    figures = dict(draw(label, prediction))
    figures |= {f"slices_{name}": figure for name, figure in _slice_figures(problem, evaluation)}
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=80)
        paths.append(path)
    return paths


def _binary_figures(label: Floats, prediction: Floats) -> Iterator[tuple[str, Figure]]:
    false_positive, true_positive, _ = roc_curve(label, prediction)
    yield "roc", _curve(false_positive, true_positive, "false positive rate", "true positive rate")
    precision, recall, _ = precision_recall_curve(label, prediction)
    yield "precision_recall", _curve(recall, precision, "recall", "precision")
    yield "calibration", _calibration(label, prediction)
    yield "predictions", _histogram(prediction, "predicted probability")


def _regression_figures(label: Floats, prediction: Floats) -> Iterator[tuple[str, Figure]]:
    figure, axes = _canvas("prediction", "label")
    axes.plot(prediction, label, ".", markersize=2, alpha=0.5)
    yield "label_by_prediction", figure
    yield "residuals", _histogram(prediction - label, "prediction - label")
    yield "predictions", _histogram(prediction, "prediction")


def _slice_figures(problem: Problem, evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    for column, measured in evaluation.slices.items():
        figure, axes = _canvas(problem.primary_metric, column)
        axes.barh(list(measured), [metrics[problem.primary_metric] for metrics in measured.values()])
        axes.axvline(evaluation.overall[problem.primary_metric], color="black", linewidth=1)
        yield column, figure


def _calibration(label: Floats, prediction: Floats) -> Figure:
    bins = np.minimum((prediction * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    filled = np.unique(bins)
    predicted = [prediction[bins == number].mean() for number in filled]
    observed = [label[bins == number].mean() for number in filled]
    figure, axes = _canvas("mean prediction", "share of positives")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(predicted, observed, marker="o")
    return figure


def _curve(x: Floats, y: Floats, x_label: str, y_label: str) -> Figure:
    figure, axes = _canvas(x_label, y_label)
    axes.plot(x, y)
    return figure


def _histogram(values: Floats, x_label: str) -> Figure:
    figure, axes = _canvas(x_label, "rows")
    axes.hist(values, bins=BINS)
    return figure


def _canvas(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="tight")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes
