"""Fitting the tabular network with PyTorch: mini-batches, a falling learning rate, the best epoch kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from contracts.matrix import Numbers
from training.estimators.network_settings import (
    NetworkInputs,
    NetworkRows,
    NetworkSettings,
    Weights,
    layer_names,
)

TOLERANCE = 1e-4
EMBEDDING_WIDTH = 12


@dataclass(frozen=True)
class TrainedWeights:
    """The kept weights, the epoch that they come from (from 1), and where they were fitted."""

    weights: Weights
    epoch: int
    device: str


class TabularNetwork(nn.Module):
    """Embeddings beside numbers, then dense layers with ReLU; one output per row."""

    def __init__(self, embeddings: list[tuple[int, int]], widths: list[int], dropout: float) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in embeddings)
        self.layers = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Outputs (N,) for codes (N, C) and numbers (N, 2F)."""
        looked_up = [table(codes[:, position]) for position, table in enumerate(self.embeddings)]
        hidden = self.layers[0](torch.cat([*looked_up, numbers], dim=1))
        for layer in list(self.layers)[1:]:
            hidden = layer(self.dropout(functional.relu(hidden)))
        return torch.as_tensor(hidden[:, 0])


def fit_weights(
    settings: NetworkSettings, sizes: Sequence[int], train: NetworkRows, later: NetworkRows, seed: int
) -> TrainedWeights:
    """Fit from a seed; the caller's random state and thread count are left as they were.

    `sizes`: how many codes each categorical column has.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with _seeded(seed, settings.threads):
        network = _untrained(settings, sizes, train).to(device)
        best, best_epoch, best_loss = weights_of(network), 0, float("inf")
        for epoch, loss in enumerate(_epochs(settings, network, train, later, device), start=1):
            if loss < best_loss:
                best, best_epoch, best_loss = weights_of(network), epoch, loss
            elif epoch - best_epoch >= settings.patience:
                break
    return TrainedWeights(best, best_epoch, device)


def _epochs(
    settings: NetworkSettings, network: TabularNetwork, train: NetworkRows, later: NetworkRows, device: str
) -> Iterator[float]:
    """Fit one epoch after another, yielding the loss on the later rows."""
    loss = functional.binary_cross_entropy_with_logits if settings.task == "binary" else functional.mse_loss
    codes, numbers, label = _tensors(train, device)
    held_codes, held_numbers, held_label = _tensors(later, device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * ceil(len(label) / settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    for _ in range(settings.epochs):
        network.train()
        for batch in torch.split(torch.randperm(len(label), device=device), settings.batch):
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss(network(codes[batch], numbers[batch]), label[batch]))
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            yield float(loss(network(held_codes, held_numbers), held_label))


def forward(weights: Weights, inputs: NetworkInputs) -> Numbers:
    """The network's output (N,) for weights that were fitted earlier."""
    network = load_network(weights)
    with torch.no_grad():
        output = network(torch.from_numpy(inputs.codes), torch.from_numpy(inputs.numbers))
    return np.asarray(output.numpy(), dtype=np.float32)


def load_network(weights: Weights) -> TabularNetwork:
    """A network that holds these weights, ready to score."""
    network = _empty_like(weights)
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    network.eval()
    return network


def weights_of(network: TabularNetwork) -> dict[str, Numbers]:
    """A copy of the weights as NumPy arrays."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def _untrained(settings: NetworkSettings, sizes: Sequence[int], train: NetworkRows) -> TabularNetwork:
    embeddings = [(size, min(EMBEDDING_WIDTH, ceil(size**0.5))) for size in sizes]
    width = sum(wide for _, wide in embeddings) + train.inputs.numbers.shape[1]
    network = TabularNetwork(embeddings, [width, *settings.hidden, 1], settings.dropout)
    for table in network.embeddings:
        nn.init.normal_(torch.as_tensor(table.weight), std=0.1)
    return network


def _empty_like(weights: Weights) -> TabularNetwork:
    tables = [value.shape for name, value in weights.items() if name.startswith("embeddings.")]
    shapes = [weights[f"{layer}.weight"].shape for layer in layer_names(weights)]
    widths = [shapes[0][1], *(shape[0] for shape in shapes)]
    return TabularNetwork([(size, width) for size, width in tables], widths, dropout=0.0)


def _tensors(rows: NetworkRows, device: str) -> tuple[Tensor, Tensor, Tensor]:
    inputs = rows.inputs
    arrays = (inputs.codes, inputs.numbers, rows.label)
    codes, numbers, label = (torch.from_numpy(array).to(device) for array in arrays)
    return codes, numbers, label


@contextmanager
def _seeded(seed: int, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
