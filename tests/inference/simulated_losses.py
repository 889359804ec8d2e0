"""Losses to try the sequential tests on: rare, heavy-tailed, correlated in time; all in [0, 1]."""

from collections.abc import Callable
from typing import Final

import numpy as np

from inference.rollout.sequential_test import Floats, log_wealth, paired, two_arms, two_arms_better

Draw = Callable[[np.random.Generator, int, int], Floats]


def rare(random: np.random.Generator, runs: int, labels: int) -> Floats:
    """All or nothing, one in ten: the largest deviation that a mean of 0.1 allows."""
    return (random.random((runs, labels)) < 0.1).astype(np.float64)


def squared(random: np.random.Generator, runs: int, labels: int) -> Floats:
    """Squared errors of a normal model, cut off at nine times their mean."""
    return np.minimum(np.square(random.standard_normal((runs, labels))) / 9, 1.0)


def heavy_and_correlated(random: np.random.Generator, runs: int, labels: int) -> Floats:
    """A Pareto tail without variance, at a difficulty that wanders slowly (AR(1), 0.95)."""
    steps = 0.3 * random.standard_normal((runs, labels))
    for label in range(1, labels):
        steps[:, label] += 0.95 * steps[:, label - 1]
    return np.minimum(0.05 * np.exp(steps) * random.pareto(1.5, (runs, labels)), 1.0)


DRAWS: Final[dict[str, Draw]] = {
    "rare": rare,
    "squared": squared,
    "heavy and correlated": heavy_and_correlated,
}


def wealth_of_arms(
    random: np.random.Generator, draw: Draw, runs: int, labels: int, shares: Floats, harm: float = 0.0
) -> tuple[Floats, Floats, Floats]:
    """Two arms, the challenger losing `harm` more: log wealth of worse, of better, and its labels so far."""
    loss = draw(random, runs, labels)
    challengers = random.random((runs, labels)) < shares
    loss = np.clip(loss + harm * challengers, 0.0, 1.0)
    every = np.broadcast_to(shares, loss.shape)
    return (
        log_wealth(two_arms(loss, challengers, every)),
        log_wealth(two_arms_better(loss, challengers, every)),
        np.cumsum(challengers, axis=-1),
    )


def wealth_of_pairs(
    random: np.random.Generator, draw: Draw, runs: int, labels: int, harm: float = 0.0
) -> tuple[Floats, Floats]:
    """Two models of the same requests, each off by its own noise: log wealth of worse, of better."""
    shared = draw(random, runs, labels)
    champion, challenger = (np.clip(shared * random.random((runs, labels)), 0.0, 1.0) for _ in range(2))
    challenger = np.clip(challenger + harm, 0.0, 1.0)
    return log_wealth(paired(challenger, champion)), log_wealth(paired(champion, challenger))
