"""What defines a tabular network: how it is fitted, its weights, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.matrix import Numbers
from contracts.problem import Task

# By PyTorch's names.
Weights = Mapping[str, Numbers]


@dataclass(frozen=True)
class NetworkSettings:
    """The layers, and how their weights are fitted."""

    task: Task
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    batch: int = 1_024
    epochs: int = 8
    patience: int = 3
    threads: int = 1


@dataclass(frozen=True)
class NetworkInputs:
    """What the network reads: category codes (N, C), and scaled numbers with missing flags (N, 2F)."""

    codes: npt.NDArray[np.int64]
    numbers: Numbers


@dataclass(frozen=True)
class NetworkRows:
    """Encoded rows with labels, float32; regression labels are on the network's own scale."""

    inputs: NetworkInputs
    label: Numbers


def layer_names(weights: Weights) -> list[str]:
    """The dense layers in order."""
    count = sum(name.startswith("layers.") and name.endswith(".weight") for name in weights)
    return [f"layers.{position}" for position in range(count)]
