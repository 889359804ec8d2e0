"""Calibration that cannot be wrecked by one odd week: Platt scaling shrunk towards leaving the model alone.

Binary: Platt, "Probabilistic outputs for support vector machines" (1999), on the logit, with a Gaussian prior
around slope 1 and shift 0. Regression: a straight line by least squares with the same prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.matrix import Floats
from contracts.problem import Task

# Rows of one week are far from independent: a week believed row by row did harm when measured (a log loss of
# 0.427 became 0.457), and a prior of this weight did not.
PRIOR_ROWS = 64_000
NEWTON_STEPS = 50
SMALLEST_SPREAD = 1e-9


def sigmoid(logit: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """`slope * raw + intercept`, then the logistic function when the task is binary."""

    task: Task
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, raw: Floats) -> Floats:
        """The prediction for a raw score, float64 (N,)."""
        line = self.slope * raw + self.intercept
        return sigmoid(line) if self.task == "binary" else line

    def append_to(self, graph: GraphBuilder, raw: str) -> str:
        """Append the same arithmetic; returns float32 (N,)."""
        sloped = graph.add("Mul", raw, graph.number(self.slope))
        line = graph.add("Add", sloped, graph.number(self.intercept))
        return graph.add("Sigmoid", line) if self.task == "binary" else line


def fit_calibration(task: Task, raw: Floats, label: Floats, prior_rows: float = PRIOR_ROWS) -> Calibration:
    """Fit slope and shift; `prior_rows` rows weigh as much as the belief that the model is right already.

    Without rows, or with scores that do not differ, the identity's slope stays.
    """
    if not len(raw):
        return Calibration(task)
    centre, spread = float(raw.mean()), float(raw.std())
    if spread <= SMALLEST_SPREAD * max(1.0, abs(centre)):  # equal scores, whose mean is off by a rounding
        raw, spread = np.full_like(raw, centre), 1.0
    design = np.column_stack([(raw - centre) / spread, np.ones_like(raw)])
    solve = _solve_logistic if task == "binary" else _solve_line
    slope, level = solve(design, label, np.array([spread, centre]), prior_rows)
    return Calibration(task, float(slope / spread), float(level - slope / spread * centre))


def _solve_logistic(design: Floats, label: Floats, start: Floats, prior_rows: float) -> Floats:
    """Newton's method on the penalised log loss; a row at even odds has information 1/4."""
    weights, prior = start.copy(), prior_rows / 4.0
    for _ in range(NEWTON_STEPS):
        chance = sigmoid(design @ weights)
        gradient = design.T @ (chance - label) + prior * (weights - start)
        curvature = (design.T * (chance * (1.0 - chance))) @ design + prior * np.eye(2)
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        weights -= np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    return weights


def _solve_line(design: Floats, label: Floats, start: Floats, prior_rows: float) -> Floats:
    curvature = design.T @ design + (prior_rows + 1e-9) * np.eye(2)
    return np.asarray(np.linalg.solve(curvature, design.T @ label + prior_rows * start), dtype=np.float64)
